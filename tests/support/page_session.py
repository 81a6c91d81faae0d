"""Run the blocks of a page in one session: one folder, one shell environment, one Python."""

import io
import json
import os
import subprocess
import sys
import time
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any


def run_page(blocks: list[dict[str, Any]], file: Path) -> None:
    """Run blocks in order in the working folder, and write what each printed beside ``file``.

    Variables of the shell live on in later blocks, and so do names of Python.
    """
    environment, names = dict(os.environ), {"__name__": "page"}
    sys.path.insert(0, "")
    for block in blocks:
        started_at = time.perf_counter()
        if block["saved_as"]:
            _write(Path(block["saved_as"]), block["text"], block["above"])
        elif block["language"] == "bash":
            block["printed"], code = _run_shell(block["text"], environment)
            if code:
                raise SystemExit(_failure(block, f"exit code {code}\n{block['printed']}"))
        else:
            block["printed"] = _run_python(block, names)
        block["elapsed_s"] = time.perf_counter() - started_at
    file.with_suffix(".out.json").write_text(json.dumps(blocks))


def _write(path: Path, text: str, above: str | None) -> None:
    """Save a file, or put text into one that is there, above a text that occurs once in it."""
    if above is None:
        path.parent.mkdir(parents=True, exist_ok=True)
    else:
        before = path.read_text()
        assert not above or before.count(above) == 1, (above, path)
        place = before.index(above) if above else len(before)
        text = f"{before[:place]}{'' if above else chr(10) * 2}{text}{chr(10) * 2}{before[place:]}"
    path.write_text(text)


def _run_shell(text: str, environment: dict[str, str]) -> tuple[str, int]:
    """Run lines of bash that end at the first failure, and keep the variables they set."""
    state = Path(environment["PAGE_STATE"])
    script = f"{text}\nenv -0 > {state}\n"
    done = subprocess.run(
        ["bash", "-ae", "-o", "pipefail", "-c", script],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode == 0:
        environment.clear()
        pairs = (x.partition("=") for x in state.read_text().split("\0") if x)
        environment.update({name: value for name, _, value in pairs})
    return done.stdout, done.returncode


def _run_python(block: dict[str, Any], names: dict[str, Any]) -> str:
    printed = io.StringIO()
    try:
        code = compile("\n" * block["line"] + block["text"], block["page"], "exec")
        with redirect_stdout(printed):
            exec(code, names)
    except Exception as error:
        sys.stdout.write(printed.getvalue())
        raise SystemExit(_failure(block, f"{type(error).__name__}: {error}")) from error
    return printed.getvalue()


def _failure(block: dict[str, Any], what: str) -> int:
    sys.stderr.write(f"{block['page']}, line {block['line']}: {what}\n{block['text']}\n")
    return 1
