"""`--help` is one screen of options that exist, `--help all` the rest."""

import re
import shlex
import subprocess
import sys
from contextlib import suppress

import pytest
import yaml

from lightning_sciml.cli.main import VERBS, main
from lightning_sciml.cli.run_help import OPTIONS
from lightning_sciml.commands import call
from lightning_sciml.shipped_configs import shipped_configs

SCREEN = 40  # lines
ROW = re.compile(r"^  (?P<name>\S+)  ", re.MULTILINE)


def help_of(capsys, *words: str) -> str:
    capsys.readouterr()
    with suppress(SystemExit):
        main(words)
    return capsys.readouterr().out


def commands(capsys) -> list[tuple[str, ...]]:
    """Every verb, and every command of those that have some."""
    found = []
    for verb in VERBS:
        page = help_of(capsys, verb, "--help")
        below = ROW.findall(page.partition("Examples:")[0]) if " COMMAND ..." in page else []
        found += [(verb,), *((verb, command) for command in below)]
    return found


@pytest.mark.parametrize("columns", [80, 100])
def test_the_help_of_every_command_is_one_screen_with_examples(capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    listed = commands(capsys)
    assert ("data", "import") in listed
    for words in listed:
        page = help_of(capsys, *words, "--help")
        assert page.startswith(f"usage: sciml {' '.join(words)}"), page
        assert len(page.splitlines()) <= SCREEN, page
        assert "Examples:\n" in page, page
        widest = max(len(line) for line in page.splitlines() if " sciml " not in line)
        assert widest <= columns, page


def test_options_and_configs_of_examples_exist(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    full = {(verb,): " ".join([*options, ""]) for verb, options in OPTIONS.items()}
    made = [*shipped_configs(), "data/mine", "data/flow"]
    listed = commands(capsys)
    for words in listed:
        page = help_of(capsys, *words, "--help")
        for line in re.findall(r"^  (.*\bsciml .*)$", page.partition("Examples:")[2], re.MULTILINE):
            typed = shlex.split(line.partition("sciml ")[2].partition(")")[0])  # also in $(…)
            command = tuple(typed[: 2 if tuple(typed[:2]) in listed else 1])
            if command not in full:
                full[command] = help_of(capsys, *command, "--help", "all")
            options = [w for w in typed if w.startswith("--") and "--coefficients." not in w]
            assert [o for o in options if f"{o} " not in full[command]] == [], line
            configs = [w for w in typed if re.match(r"(data|pretrain|finetune|study)/\w+$", w)]
            assert [c for c in configs if c not in made] == [], line


@pytest.mark.parametrize("verb", OPTIONS)
def test_all_options_of_a_run_are_behind_its_help(capsys, verb):
    text = help_of(capsys, verb, "--help", "all")
    assert text.startswith(f"usage: sciml {verb} --config FILE")
    assert "--trainer.gradient_clip_val" in text
    own = [
        o.split()[0] for o in OPTIONS[verb] if not o.startswith(("--model.", "--input", "--out"))
    ]
    assert [option for option in own if f"{option} " not in text] == []


def test_every_option_of_the_help_of_fit_is_accepted(config, capsys):
    words = [f"{o}=x" if " " not in o else o.replace(" ", "=") for o in OPTIONS["fit"]]
    words = [w for w in words if not w.startswith(("--config", "--model.ch", "--print_config"))]
    words = [w.replace("=N", "=3").replace("=DIR", "=x") for w in words]
    with pytest.raises(SystemExit) as stop:
        main(["fit", "--config", str(config()), *words, "--print_config"])
    assert stop.value.code == 0
    options = yaml.safe_load(capsys.readouterr().out)["model"]["init_args"]
    assert options["network"]["init_args"]["size"] == "1M"
    assert options["optimizer"]["init_args"]["lr"] == 0.001


def test_help_loads_neither_torch_nor_numpy_where_it_needs_none():
    code = """if True:
        import sys
        from lightning_sciml.cli.main import main
        for words in ([], ["--help"], ["fit", "--help"], ["test", "-h"], ["config", "-h"],
                      ["doctor", "-h"], ["inspect", "-h"], ["study", "run", "-h"]):
            try:
                main(words)
            except SystemExit as stop:
                assert not stop.code
        assert not {"torch", "lightning", "numpy", "h5py"} & {*sys.modules}
    """
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "usage: sciml fit" in result.stdout


def test_a_command_without_words_shows_its_help(capsys):
    assert help_of(capsys) == help_of(capsys, "--help")
    assert help_of(capsys, "data") == help_of(capsys, "data", "-h")


def test_the_page_of_a_function_shows_values_and_defaults_of_its_options(capsys):
    def command(name: str, *, num: int = 3, rate: float | None = None, twice: bool = False) -> None:
        """Do it.

        Args:
            name: Name of it. And more.
            num: How many.
            rate: How fast, e.g. 2; none by default.
            twice: Do it again.

        Examples:
            sciml command x --num 2
        """

    with pytest.raises(SystemExit):
        call(command, ["--help"], "sciml command")
    assert capsys.readouterr().out == (
        "usage: sciml command NAME [OPTIONS]\n\nDo it.\n\n"
        "  NAME      Name of it\n"
        "  --num N   How many [3]\n"
        "  --rate X  How fast, e.g. 2; none by default\n"
        "  --twice   Do it again\n\n"
        "Examples:\n  sciml command x --num 2\n\n"
        "`--help all` shows types and defaults, too.\n"
    )
