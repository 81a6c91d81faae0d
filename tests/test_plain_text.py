"""Text from files is shown: a terminal does not obey it, a figure does not interpret it."""

import json
import shutil

import numpy as np
import pytest
import torch
from command_line import rejection
from matplotlib.backends.backend_agg import FigureCanvasAgg

from lightning_sciml.cli.main import main
from lightning_sciml.evaluation.outcome import say
from lightning_sciml.evaluation.sample_fields import SampleFields
from lightning_sciml.evaluation.solution_panels import Panel, solution_panels
from lightning_sciml.models.fno import FNO
from lightning_sciml.operators.neural_operator import NeuralOperator
from lightning_sciml.pde.grid import Grid
from lightning_sciml.plain_text import counted, for_figure, for_terminal

ESCAPE = "\x1b]0;owned\x07\x1b[2J"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (ESCAPE, r"\x1b]0;owned\x07\x1b[2J"),
        ("a\r\n\tb", r"a\r\n\tb"),
        ("\u202eevil", r"\u202eevil"),
        ("\x9b31m", r"\x9b31m"),
        ("\udcff", r"\udcff"),
        ("λ ∈ (1, 5) × ‖u‖²", "λ ∈ (1, 5) × ‖u‖²"),
    ],
)
def test_control_characters_are_shown(text, shown):
    assert for_terminal(text) == shown


def test_what_is_kept_stays():
    assert for_terminal("a\nb\x1b", keep="\n") == "a\nb\\x1b"


@pytest.mark.parametrize("label", ["$\\frac{", "a$b$c", "\\$x", "$$", "\x1b[1m"])
def test_a_figure_draws_any_label(label):
    field = np.random.default_rng(0).standard_normal((1, 1, 4, 4)).astype(np.float32)
    sample = SampleFields(
        inputs=field[0],
        reference=field,
        prediction=field + np.float32(0.1),
        coefficients=np.zeros(0, np.float32),
        lead_times=np.zeros(1),
        sample_index=0,
        time_index=0,
        input_fields=(label,),
        output_fields=(label,),
    )
    figure = solution_panels([Panel(label, Grid(shape=(4, 4)), sample)])
    FigureCanvasAgg(figure).draw()
    (drawn,) = {axes.get_ylabel() for axes in figure.axes} - {""}
    assert for_figure(label) in drawn


def test_what_a_verb_measured_is_shown(caplog):
    say([ESCAPE, "second"])
    assert "\x1b" not in caplog.text
    assert f"{for_terminal(ESCAPE)}\nsecond" in caplog.text


def test_no_command_lets_a_file_speak_to_the_terminal(datasets, tmp_path, capsys):
    described = NeuralOperator(FNO(num_channels=2, num_modes=2)).describe().plain()
    checkpoint = {
        "state_dict": {f"operator.network.{ESCAPE}": torch.zeros(1)},
        "operator": described | {"coefficient_names": [ESCAPE], "loss": ESCAPE},
        "provenance": {ESCAPE: ESCAPE, "config": f"a: 1\n{ESCAPE}"},
    }
    torch.save(checkpoint, tmp_path / "evil.ckpt")
    main(["inspect", str(tmp_path / "evil.ckpt")])
    manifest = json.loads((datasets["poisson_1_5"] / "manifest.json").read_text())
    manifest["config"][ESCAPE] = ESCAPE
    (tmp_path / "set").mkdir()
    (tmp_path / "set/manifest.json").write_text(json.dumps(manifest))
    main(["data", "describe", str(tmp_path / "set")])
    odd = str(shutil.copytree(datasets["poisson_1_5"], tmp_path / f"odd{ESCAPE}"))
    main(["data", "verify", odd])
    main(["data", "plot", odd, "--output", f"{odd}/figures"])
    assert "\x1b" not in capsys.readouterr().out
    for words in (
        ["data", "describe", tmp_path / ESCAPE],
        ["data", f"--{ESCAPE}"],
        ["fit", "--config", tmp_path / ESCAPE],
        [ESCAPE],
        ["study", "plan", tmp_path / ESCAPE],
        ["inspect", tmp_path / ESCAPE],
    ):
        assert "\x1b" not in rejection(words, capsys)


def test_a_single_thing_is_counted_in_the_singular():
    assert [counted(n, "shard") for n in (0, 1, 1200)] == ["0 shards", "1 shard", "1,200 shards"]
