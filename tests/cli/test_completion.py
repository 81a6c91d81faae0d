"""The Tab key offers commands, options, configs and files, by what the parsers know."""

import os
import pty
import select
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest

from data_gen import families
from lightning_sciml.cli import completion
from lightning_sciml.cli.main import VERBS
from lightning_sciml.option_parser import OneLineErrors
from lightning_sciml.shipped_configs import shipped_configs

BIN = Path(sys.executable).parent
LIGHT = {"torch", "lightning", "scipy", "mpi4py", "matplotlib"}


def completed(line: str, tmp_path, *, cwd=None) -> tuple[set[str], set[str]]:
    """What is offered at the end of a line, and which packages were imported for it."""
    words = [sys.executable, "-X", "importtime", "-m", "lightning_sciml"]
    variables = {"_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line))}
    variables |= {"_ARGCOMPLETE_IFS": "\n", "_ARGCOMPLETE_SUPPRESS_SPACE": "1"}
    variables |= {"_ARGCOMPLETE_STDOUT_FILENAME": str(tmp_path / "offered")}
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd()), **variables}
    result = subprocess.run(words, env=environment, capture_output=True, text=True, cwd=cwd)
    imported = {line.split("|")[-1].strip() for line in result.stderr.splitlines()}
    assert "argcomplete" in imported, result.stderr
    return set((tmp_path / "offered").read_text().split("\n")) - {""}, imported


def test_verbs_come_without_loading_what_they_need(tmp_path):
    offered, imported = completed("sciml ", tmp_path)
    assert offered == {*VERBS}
    assert not imported & {*LIGHT, "numpy"}


@pytest.mark.parametrize(
    ("line", "among", "not_among"),
    [
        ("sciml fit --config pretrain/", {"pretrain/poisson"}, set()),
        ("sciml fit --trainer.max", {"--trainer.max_epochs", "--trainer.max_steps"}, set()),
        ("sciml fit --data.cache ", {"none", "memory", "device"}, set()),
        ("sciml test st", {"steady-mixture-640K"}, set()),
        ("sciml study run study/", {"study/demo"}, {"pretrain/poisson"}),
        ("sciml data export x --layout ", {"well", "pdebench", "xarray"}, set()),
        ("sciml data import new --train ", {"sets/"}, {"--train+"}),
        ("sciml generate data/burgers_0p03_0p06 --in", {"--initial_state"}, set()),
        ("sciml config copy finetune/", {"finetune/poisson"}, set()),
    ],
)
def test_options_and_values_come_without_torch(line, among, not_among, tmp_path):
    (tmp_path / "here/sets").mkdir(parents=True)
    offered, imported = completed(line, tmp_path, cwd=tmp_path / "here")
    assert among <= offered
    assert not not_among & offered
    assert not LIGHT & imported


class _ParserFound(BaseException):
    """Carries the options that a command was about to parse."""


def options_of_parser(monkeypatch, *words) -> set[str]:
    """The options of the parser that a command line makes, without files for whole groups."""

    def parse_args(self, *_, **__):
        raise _ParserFound(OneLineErrors.known_options(self))

    with monkeypatch.context() as patch:
        patch.setattr(OneLineErrors, "parse_args", parse_args)
        patch.setattr(sys, "argv", ["sciml"])
        with pytest.raises(_ParserFound) as found:
            import_module(f"lightning_sciml.cli.{VERBS[words[0]][0]}").main(words)
    names = {n for n in found.value.args[0] if not n.endswith(".help")} - {"h", "help"}
    return {n for n in names if not any(other.startswith(f"{n}.") for other in names)}


def test_options_read_from_source_are_those_of_the_parser_of_a_run(monkeypatch):
    read = {n for n in completion.run_options("fit") if not n.startswith("model.")}
    parsed = options_of_parser(monkeypatch, "fit")
    parsed = {n for n in parsed if not n.startswith(("model", "optimizer", "lr_scheduler"))}
    assert read - parsed == set(), sorted(parsed)[:50]
    assert parsed - read <= {"c", "subcommand", "ckpt_path", "weights_only", "fit"}


@pytest.mark.parametrize("name", ["poisson_1_5", "burgers_0p03_0p06", "darcy_2_8"])
def test_options_read_from_source_are_those_of_generation(monkeypatch, name):
    words = [f"data/{name}"]
    assert f"data/{name}" in shipped_configs()
    parsed = options_of_parser(monkeypatch, "generate", *words)
    read = {n for n in completion.generate_options(words) if "." not in n or n in parsed}
    assert read - {"print_config"} == parsed - {"print_config"}


def test_kinds_of_data_sets_are_told_apart_as_in_generation():
    homes = {key: kind.rpartition(".")[2] for key, kind in completion.KINDS.items() if key}
    assert homes == {key: kind.__name__ for key, kind in families.FAMILIES.items()}


def test_bash_completes_what_is_typed(tmp_path):
    """Type into a real bash on a terminal of its own, with the Tab key at the end."""
    pid, terminal = pty.fork()
    if not pid:
        os.chdir(tmp_path)
        os.execve("/bin/bash", ["bash", "--norc", "--noprofile", "-i"], _of_terminal())
    try:
        said = _typed(terminal, 'eval "$(sciml completion bash)"; echo re""ady\n', "ready\r\n")
        said = _typed(terminal, "sciml fit --config pretrain/poi\t", "pretrain/poisson ")
        said += _typed(terminal, "--resu\tfalse --data.cac\t", "--data.cache ")
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)
    assert "--resume false --data.cache " in said


def _of_terminal() -> dict[str, str]:
    path = f"{BIN}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PS1": "$ ", "TERM": "dumb", "COLUMNS": "200"}


def _typed(terminal: int, text: str, expected: str) -> str:
    """Type, and read until what is expected is shown."""
    os.write(terminal, text.encode())
    shown, end = "", time.monotonic() + 60
    while expected not in shown and time.monotonic() < end:
        if select.select([terminal], [], [], 1)[0]:
            shown += os.read(terminal, 4096).decode(errors="replace")
    assert expected in shown
    return shown
