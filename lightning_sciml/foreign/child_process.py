"""Read in a process of its own: some readers crash or loop on damaged files."""

from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, TypeVar

T = TypeVar("T")


def in_a_child(
    read: Callable[..., T], *arguments: Any, seconds: float | None = None, **options: Any
) -> T:
    """Return what a function returns in a child process, or raise what it raises.

    Args:
        read: the function; it shares no open file with this process.
        arguments: of the function.
        seconds: after which the child is ended; None waits for ever.
        options: of the function.

    Raises:
        ChildProcessError: the child crashes.
        TimeoutError: it does not answer in time.
    """
    context = get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_answer, args=(sender, read, arguments, options), daemon=True)
    child.start()
    sender.close()
    try:
        if not receiver.poll(seconds):
            raise TimeoutError(f"no end within {seconds:g} s")
        value, error = receiver.recv()
    except EOFError:
        raise ChildProcessError("its reader crashes") from None
    finally:
        child.kill()
        child.join()
        receiver.close()
    if error is not None:
        raise error
    found: T = value
    return found


def _answer(
    sender: Connection, read: Callable[..., Any], arguments: Any, options: dict[str, Any]
) -> None:
    try:
        sender.send((read(*arguments, **options), None))
    except Exception as error:  # damage decides what a reader raises
        sender.send((None, OSError(f"{type(error).__name__}: {error}")))
