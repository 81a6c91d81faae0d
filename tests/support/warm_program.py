"""A process that has loaded torch and Lightning, and forks to run `sciml` or the blocks of a page.

Most of a small command's time goes into imports. A ``sciml`` put first on PATH hands its arguments,
folder, environment and streams to this process, whose fork runs them. Nothing of this library is
loaded before the fork, so a PYTHONPATH names the copy that is run.
"""

import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path

HERE = Path(__file__).parent
# Under mpirun and for data, the program itself: MPI talks by descriptors that are not handed on.
CLIENT = """#!{python} -SE
import array, json, os, signal, socket, sys
words = sys.argv[1:]
if words[:1] in (["generate"], ["config"]) or "PMI_RANK" in os.environ:
    os.execv({python!r}, [{python!r}, "-m", "lightning_sciml.cli", *words])
server = socket.socket(socket.AF_UNIX)
server.connect({socket!r})
request = json.dumps([words, os.getcwd(), dict(os.environ)]).encode()
streams = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))]
server.sendmsg([len(request).to_bytes(8, "little")], streams)
server.sendall(request)
answers = server.makefile()
worker = int(answers.readline())
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
    signal.signal(number, lambda number, _: os.kill(worker, number))
code = int(answers.readline() or 1)
if code < 0:
    signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
sys.exit(code)
"""


class WarmProgram:
    """The process, from the side of a test; `folder/bin` belongs first on PATH."""

    def __init__(self, folder: Path) -> None:
        self.bin, self.socket = folder / "bin", folder / "socket"
        self.bin.mkdir(parents=True)
        client = self.bin / "sciml"
        client.write_text(CLIENT.format(python=sys.executable, socket=str(self.socket)))
        client.chmod(0o755)
        self.process = subprocess.Popen([sys.executable, __file__, self.socket])
        while not self.socket.exists():
            if self.process.poll() is not None:
                raise RuntimeError("the process ended before it listened")
            time.sleep(0.05)

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()


def serve(path: str) -> None:
    """Load what is slow to load, listen, and fork for each request."""
    import_all()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{path}.new")
    listener.listen(16)
    Path(f"{path}.new").rename(path)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no zombies of those who attend
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            attend(connection)
        connection.close()


def import_all() -> None:
    """Import the packages of others that training and figures need."""
    for name in (
        "h5py",
        "jsonargparse",
        "lightning.pytorch.cli",
        "matplotlib.pyplot",
        "scipy.fft",
        "torch.utils.tensorboard",
    ):
        importlib.import_module(name)


def attend(connection: socket.socket) -> None:
    """Run one request in a fork, answer with its id and exit code; end it if the client dies."""
    length, streams, _, _ = socket.recv_fds(connection, 8, 3)
    request = connection.makefile("rb").read(int.from_bytes(length, "little"))
    worker = os.fork()
    if worker == 0:
        connection.close()
        os._exit(work(*json.loads(request), streams))
    connection.sendall(f"{worker}\n".encode())
    done, status = 0, 0
    while not done:
        if select.select([connection], [], [], 0.02)[0]:  # nothing more is sent: the client is dead
            os.kill(worker, signal.SIGKILL)
        done, status = os.waitpid(worker, os.WNOHANG)
    with suppress(OSError):
        connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def work(words: list[str], folder: str, environment: dict[str, str], streams: list[int]) -> int:
    """Become the process of that command, and run it."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin, sys.stdout = os.fdopen(0), os.fdopen(1, "w")
    sys.stderr = os.fdopen(2, "w", buffering=1)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["sciml", *words]
    sys.path[:0] = [p for p in environment.get("PYTHONPATH", "").split(os.pathsep) if p]
    code: object = 1
    try:
        if words[0] == "page":
            sys.path.insert(0, str(HERE))
            from page_session import run_page

            run_page(json.loads(Path(words[1]).read_text()), Path(words[1]))
        else:
            from lightning_sciml.cli.main import main

            main()
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:
        traceback.print_exc()
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    return int(code)


if __name__ == "__main__":
    serve(sys.argv[1])
