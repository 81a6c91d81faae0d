"""`sciml export`: files named like the run, and in one line why there is none."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from command_line import rejection
from small_operators import fitted_operator

from lightning_sciml import extras, load_operator
from lightning_sciml.checkpoints.files import Checkpoint, export
from lightning_sciml.cli.main import main


@pytest.fixture
def checkpoint(tmp_path, monkeypatch) -> Path:
    """A folder of weights, as they are exported, in the folder of the user."""
    monkeypatch.chdir(tmp_path)
    operator = fitted_operator()
    export(Checkpoint(weights=operator.state_dict(), operator=operator.describe()), Path("poisson"))
    return Path("poisson")


def test_an_archive_is_named_after_the_run_and_says_what_it_takes(checkpoint, capsys, caplog):
    main(["export", str(checkpoint), "--format", "pt2"])
    assert "Unable to load package" not in caplog.text
    graph = torch.export.load("poisson.pt2").module()
    given = {"source": torch.randn(2, 8, 8)} | dict.fromkeys(("k11", "k22", "k12"), torch.ones(2))
    own = {name: tensor.numpy() for name, tensor in given.items()}
    expected = load_operator(checkpoint).predict(own.pop("source"), **own)
    torch.testing.assert_close(graph(given)["solution"].detach(), torch.from_numpy(expected))
    first, inputs, outputs, grids, difference = capsys.readouterr().out.splitlines()
    assert first == "exported to poisson.pt2"
    assert (inputs, outputs) == ("inputs: source, k11, k22, k12", "outputs: solution")
    assert grids == "grids: from 6 × 6 points, [y, x]"
    assert float(difference.split(": ")[1].split()[0]) < 1e-5


def test_the_problem_is_asked_for_where_several_differ(checkpoint, capsys):
    operator = load_operator(checkpoint)
    poisson = operator.trained_on[0]
    walls = replace(poisson.grid, boundary=("dirichlet", "dirichlet"))
    others = (replace(poisson, name="harder"), replace(poisson, name="walls", grid=walls))
    told = replace(operator.describe(), problems=(poisson, *others))
    export(Checkpoint(weights=operator.state_dict(), operator=told), Path("several"))
    said = rejection(["export", "several", "--format=pt2"], capsys)
    assert "give --problem poisson or harder or walls" in said
    said = rejection(["export", "several", "--format=pt2", "--problem=heat"], capsys)
    assert "--problem must be poisson or harder or walls, got heat" in said


def test_a_missing_extra_is_named_with_the_line_that_installs_it(checkpoint, capsys, monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    said = rejection(["export", checkpoint, "--format=onnx"], capsys)
    assert "pip install 'lightning_sciml[export]'" in said


def test_options_of_graphs_are_not_for_weights(checkpoint, capsys):
    said = rejection(["export", checkpoint, "--format=safetensors", "--rollout"], capsys)
    assert "--rollout is for graphs" in said
    assert "wanted" in rejection(["export", checkpoint, "--format=tflite"], capsys)
