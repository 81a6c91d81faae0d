"""`sciml predict --input`: a file of arrays in, a file of predictions out."""

import contextlib
import os
import sys

import numpy as np
import pytest
import torch
from command_line import rejection

from lightning_sciml.checkpoints.operator_files import load_operator
from lightning_sciml.cli.main import main
from lightning_sciml.cli.predict import _say, read_npz
from lightning_sciml.errors import InputError
from lightning_sciml.models.fno import FNO
from lightning_sciml.operators.array_prediction import PredictionReport
from lightning_sciml.operators.description import TrainedProblem
from lightning_sciml.operators.neural_operator import NeuralOperator
from lightning_sciml.pde.grid import Grid
from lightning_sciml.streaming.training_statistics import TrainingStatistics

NAMES = ("k11", "k22", "k12")
SOURCE = np.random.default_rng(0).normal(size=(3, 16, 16))


@pytest.fixture
def operator(monkeypatch):
    torch.manual_seed(0)
    operator = NeuralOperator(FNO(num_channels=4, num_modes=4, coefficient_names=NAMES))
    trained = TrainedProblem(
        name="poisson",
        equation="poisson",
        parameters={},
        coefficient_names=NAMES,
        ranges=dict.fromkeys(NAMES, (0.0, 1.0)),
        grid=Grid(shape=(16, 16)),
        input_fields=("source",),
        output_fields=("solution",),
    )
    ones = dict.fromkeys(NAMES, 1.0)
    statistics = TrainingStatistics(
        field_norms={"source": 1.0}, coefficients=ones, scaled_coefficients=ones
    )
    operator.fit(statistics, [trained])
    home = "lightning_sciml.checkpoints.operator_files.load_operator"
    monkeypatch.setattr(home, lambda path, network: operator)
    return operator


def test_a_file_of_arrays_is_predicted(operator, tmp_path, capsys):
    np.savez(tmp_path / "mine.npz", source=SOURCE, k11=0.5, k22=[0.1, 0.2, 2.0], k12=0.0)
    output = tmp_path / "new" / "u.npz"
    main(
        ["predict", "--ckpt_path=any.ckpt", f"--input={tmp_path}/mine.npz", "--output", str(output)]
    )
    written = read_npz(output)
    expected = operator.predict(SOURCE, k11=0.5, k22=[0.1, 0.2, 2.0], k12=0.0)
    assert np.array_equal(written["prediction"], expected)
    assert written["pde_residual"].shape == (3,)
    assert "warning: k22 leaves the range of the training, 0 … 1" in capsys.readouterr().out


def test_steps_of_several_fields_are_written_by_name(monkeypatch, tmp_path, capsys):
    torch.manual_seed(0)
    names = {
        "coefficient_names": (),
        "input_fields": ("u@-1", "u", "v"),
        "output_fields": ("u", "v"),
    }
    operator = NeuralOperator(FNO(num_channels=4, num_modes=4, **names), normalization="medians")
    flow = TrainedProblem(
        name="flow",
        equation="none",
        parameters={},
        ranges={},
        grid=Grid(shape=(8, 16)),
        state_fields=("u", "v"),
        **names,
    )
    nothing = TrainingStatistics(field_norms={}, coefficients={}, scaled_coefficients={})
    operator.fit(nothing, [flow])
    home = "lightning_sciml.checkpoints.operator_files.load_operator"
    monkeypatch.setattr(home, lambda path, network: operator)
    state = {n: np.random.default_rng(0).normal(size=(2, 8, 16)) for n in names["input_fields"]}
    np.savez(tmp_path / "mine.npz", **state)
    paths = [f"--input={tmp_path}/mine.npz", f"--output={tmp_path}/u.npz"]
    main(["predict", "--ckpt_path=any.ckpt", *paths, "--num_steps=3"])
    written, expected = read_npz(tmp_path / "u.npz"), operator.predict(state, num_steps=3)
    assert set(written) == {"prediction/u", "prediction/v"}
    assert all(np.array_equal(written[f"prediction/{n}"], expected[n]) for n in "uv")
    assert "prediction/u (2, 3, 8, 16) in" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arrays", "output", "message"),
    [
        (None, "u.npz", "must be a .npz of arrays"),
        ({"source": SOURCE}, "u.npy", "--output ends in .npz"),
        (
            {"source": SOURCE, "k11": 1.0},
            "u.npz",
            "takes the coefficients k11, k22, k12 (poisson), got k11; give them",
        ),
        ({"k11": 1.0}, "u.npz", "the operator takes the fields source, got none"),
        ({"source": SOURCE, "report": 1}, "u.npz", "holds report, the operator takes source, k11"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line(
    operator, tmp_path, capsys, arrays, output, message
):
    path = tmp_path / "mine.npz"
    if arrays:
        np.savez(path, **arrays)
    words = ["--ckpt_path", "any.ckpt", "--input", str(path), "--output", str(tmp_path / output)]
    with pytest.raises(SystemExit):
        main(["predict", *words])
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / output).exists()


def test_a_zero_source_has_no_relative_residual(operator, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("HERE", str(tmp_path))
    np.savez(tmp_path / "mine.npz", source=np.zeros((2, 16, 16)), k11=0.5, k22=0.5, k12=0.0)
    main(["predict", "--ckpt_path=a", "--input=$HERE/mine.npz", "--output=${HERE}/u.npz"])
    assert "none; not defined for 2 samples" in capsys.readouterr().out
    assert (tmp_path / "u.npz").exists()


def test_a_pipe_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "mine.npz")
    with pytest.raises(InputError, match="it is not a file"):
        read_npz(tmp_path / "mine.npz")


def test_pickles_are_not_loaded(tmp_path):
    np.savez(tmp_path / "mine.npz", source=np.array([{}], dtype=object))
    with pytest.raises(InputError, match="allow_pickle"):
        read_npz(tmp_path / "mine.npz")


OWN_NETWORK = """
import torch

class Net(torch.nn.Module):
    coefficient_names = ("k11", "k22", "k12")
    def __init__(self, width: int = 2):
        super().__init__()
        self.hidden = torch.nn.Conv2d(1, width, 1)
        self.output = torch.nn.Conv2d(width, 1, 1)
    def forward(self, source, coefficients):
        return self.output(self.hidden(source))
"""


def test_a_network_of_ones_own_class_is_named(config, tmp_path, monkeypatch, capsys):
    (tmp_path / "net_of_predict.py").write_text(OWN_NETWORK)
    monkeypatch.syspath_prepend(tmp_path)
    np.savez(tmp_path / "mine.npz", source=SOURCE, k11=0.5, k22=0.5, k12=0.0)
    own = ("--model.network=net_of_predict.Net", "--model.network.width=3")
    main(["fit", "--config", str(config(max_epochs=1)), *own])
    checkpoint = tmp_path / "run/checkpoints/best.ckpt"
    words = [f"--ckpt_path={checkpoint}", f"--input={tmp_path}/mine.npz"]
    words.append(f"--output={tmp_path}/u.npz")
    assert "--network in predict" in rejection(["predict", *words], capsys)
    network = ("--network=net_of_predict.Net", "--network.width=3")
    main(["predict", *words, *network])
    operator = load_operator(checkpoint, network=sys.modules["net_of_predict"].Net(width=3))
    expected = operator.predict(SOURCE, k11=0.5, k22=0.5, k12=0.0)
    assert np.array_equal(read_npz(tmp_path / "u.npz")["prediction"], expected)


def test_help_shows_how_to_predict_for_ones_own_arrays(capsys):
    for words, option in ((["--help"], "--input FILE.npz"), (["--input=", "--help"], "--network")):
        with contextlib.suppress(SystemExit):
            main(["predict", *words])
        text = capsys.readouterr().out
        assert option in text
        assert "known subclasses" not in " ".join(text.split())


def test_names_from_a_checkpoint_reach_the_terminal_without_control_characters(capsys):
    _say(PredictionReport(pde_residual=None, outside={"k\x1b[2J": (0.0, 1.0)}))
    assert r"warning: k\x1b[2J leaves" in capsys.readouterr().out
