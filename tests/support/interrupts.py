"""Ctrl-C in processes that a shell has started in the background."""

import signal


def restore_interrupt() -> None:
    """Take SIGINT as a process in the foreground does; what it starts inherits that.

    A shell without job control has what it starts with & ignore SIGINT, and a run that ignores it
    cannot be tested for what it does on Ctrl-C.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
