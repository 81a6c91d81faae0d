"""A graph is the operator: on any batch and grid, without this library, for every recipe."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from small_operators import RECIPES, fitted_operator
from torch import nn

from lightning_sciml.errors import InputError
from lightning_sciml.exports.comparison import random_inputs
from lightning_sciml.exports.named_operator import NamedOperator
from lightning_sciml.exports.writing import export_graph
from lightning_sciml.models.sizes import SIZES
from lightning_sciml.operators.description import TrainedProblem
from lightning_sciml.operators.neural_operator import NeuralOperator

PAGE = Path(__file__).parents[2] / "docs/how_to/export.md"
NUM_STEPS = 4
# The rounding of float32 in sums of hundreds of terms; matrices made in the graph are as exact.
CLOSE = {"rtol": 0, "atol": 1e-5}


def inputs_of(operator: NeuralOperator, batch_size: int, shape: tuple[int, int]):
    """White noise and coefficients of the training's ranges, by name."""
    trained: TrainedProblem = operator.trained_on[0]
    given = random_inputs(NamedOperator(operator, trained), batch_size, shape)
    return {name: tensor.numpy() for name, tensor in given.items()}


def predicted(operator: NeuralOperator, given, num_steps=None):
    """Predict by the Python API: by name, whatever the operator predicts."""
    trained = operator.trained_on[0]
    fields = {name: given[name] for name in trained.input_fields}
    numbers = {name: given[name] for name in trained.asked_names}
    found = operator.predict(fields, num_steps=num_steps, **numbers)
    return found if isinstance(found, dict) else {trained.output_fields[0]: found}


def assert_equal(found: np.ndarray, wanted: np.ndarray) -> None:
    scale = np.abs(wanted).max()
    np.testing.assert_allclose(found / scale, wanted / scale, **CLOSE)


def shapes_of(operator: NeuralOperator):
    """Batches and grids, of the ratio of the training's, from the smallest but one."""
    H, W = operator.trained_on[0].grid.shape
    m = operator.network.num_modes
    return [(batch, (n, n * W // H)) for batch, n in ((1, 2 * m + 3), (4, 2 * m + 12))]


def compare_onnx(operator: NeuralOperator, path: Path) -> onnxruntime.InferenceSession:
    """Compare a graph of ONNX with the operator."""
    export_graph(operator, path, format="onnx")
    session = onnxruntime.InferenceSession(path)
    for batch_size, shape in shapes_of(operator):
        given = inputs_of(operator, batch_size, shape)
        found = session.run(None, given)
        names = [value.name.removesuffix("@+1") for value in session.get_outputs()]
        wanted = predicted(operator, given)
        for name, field in zip(names, found, strict=True):
            assert_equal(field, wanted[name])
        assert set(names) == set(wanted)
    return session


def compare_rollout(operator: NeuralOperator, path: Path) -> None:
    """Compare a graph of ONNX that takes num_steps with the operator's rollout."""
    export_graph(operator, path, format="onnx", rollout=True)
    session = onnxruntime.InferenceSession(path)
    for batch_size, shape in shapes_of(operator):
        given = inputs_of(operator, batch_size, shape)
        found = session.run(None, {**given, "num_steps": np.array(NUM_STEPS)})
        wanted = predicted(operator, given, NUM_STEPS)
        for value, field in zip(session.get_outputs(), found, strict=True):
            assert_equal(field, wanted[value.name.removeprefix("rollout/")])


def compare_pt2(operator: NeuralOperator, path: Path) -> None:
    """Compare an archive of torch.export with the operator."""
    export_graph(operator, path, format="pt2")
    graph = torch.export.load(path).module()
    for batch_size, shape in shapes_of(operator):
        given = inputs_of(operator, batch_size, shape)
        with torch.no_grad():
            found = graph({name: torch.from_numpy(array) for name, array in given.items()})
        for name, wanted in predicted(operator, given).items():
            assert_equal(found[name if name in found else f"{name}@+1"].numpy(), wanted)


def operators_of(path: Path) -> set[tuple[str, str]]:
    """Collect domain and type of all operators, those in loops among them."""
    graphs, found = [onnx.load(path).graph], set()
    while graphs:
        for node in graphs.pop().node:
            found.add((node.domain, node.op_type))
            graphs += [a.g for a in node.attribute if a.type == onnx.AttributeProto.GRAPH]
    return found


@pytest.fixture(scope="module")
def steady(tmp_path_factory):
    """Fields and coordinates between walls, in units of each problem, turned to one image."""
    folder = tmp_path_factory.mktemp("steady")
    operator = fitted_operator(**RECIPES["walls"])
    return folder / "darcy.onnx", operator, compare_onnx(operator, folder / "darcy.onnx")


def test_an_onnx_graph_is_of_standard_real_operators(steady):
    path, _, _ = steady
    onnx.checker.check_model(path, full_check=True)
    found = operators_of(path)
    assert {domain for domain, _ in found} == {""}
    assert {"MatMul", "Cos"} <= {kind for _, kind in found}
    assert not [kind for _, kind in found if "FT" in kind]
    assert str(Path(__file__).parents[2]).encode() not in path.read_bytes()


def test_a_graph_tells_what_it_was_trained_on(steady):
    *_, session = steady
    told = session.get_modelmeta().custom_metadata_map
    problem = json.loads(told["problem"])
    assert problem["equation"] == "darcy"
    assert problem["grid"] == {
        "shape": [16, 16],
        "lengths": [1.0, 1.0],
        "boundary": ["dirichlet", "dirichlet"],
    }
    assert json.loads(told["operator"])["normalization"] == "dimensionless"
    assert json.loads(told["smallest_grid"]) == [6, 6]


def test_a_graph_rejects_grids_that_the_operator_rejects(steady):
    _, operator, session = steady
    onnxruntime.set_default_logger_severity(4)
    with pytest.raises(Exception, match="grid_of_at_least_6_by_6_points"):
        session.run(None, inputs_of(operator, 1, (5, 5)))
    with pytest.raises(Exception, match="as_many_points_along_y_as_along_x"):
        session.run(None, inputs_of(operator, 1, (8, 10)))


def test_a_rollout_takes_the_number_of_steps(tmp_path):
    compare_rollout(fitted_operator(**RECIPES["conserved"]), tmp_path / "rollout.onnx")


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """An operator of the paper's recipe, and the folder with its archive of torch.export."""
    folder = tmp_path_factory.mktemp("archive")
    operator = fitted_operator(**RECIPES["paper"])
    export_graph(operator, folder / "pretrain_poisson.pt2", format="pt2")
    return operator, folder


def test_an_archive_is_loaded_where_this_library_is_not(archive):
    operator, folder = archive
    given = inputs_of(operator, 2, (9, 9))
    np.savez(folder / "given.npz", **given)
    code = """if True:
        import sys
        sys.modules["lightning_sciml"] = None  # importing it fails
        import numpy, torch
        extra = {"problem": ""}
        graph = torch.export.load("pretrain_poisson.pt2", extra_files=extra).module()
        given = {name: torch.from_numpy(array) for name, array in numpy.load("given.npz").items()}
        numpy.save("found.npy", graph(given)["solution"].detach().numpy())
        assert '"poisson"' in extra["problem"]
    """
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, cwd=folder)
    wanted = predicted(operator, given)["solution"]
    assert_equal(np.load(folder / "found.npy"), wanted)
    assert (
        str(Path(__file__).parents[2]).encode()
        not in (folder / "pretrain_poisson.pt2").read_bytes()
    )


def test_an_archive_without_coefficients_is_that_operator(tmp_path):
    compare_pt2(fitted_operator(**RECIPES["walls"]), tmp_path / "darcy.pt2")


class Averse(nn.Module):
    """Decides by values, which no graph does."""

    coefficient_names = ("k11", "k22", "k12")

    def forward(self, inputs, coefficients):
        return inputs if inputs.mean() > 0 else -inputs


def test_what_cannot_be_exported_is_said_in_one_line(tmp_path):
    operator = fitted_operator()
    operator.network = Averse()
    with pytest.raises(InputError, match="network Averse cannot be exported") as error:
        export_graph(operator, tmp_path / "a.onnx", format="onnx")
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="rollout is for an evolution in ONNX, got poisson"):
        export_graph(fitted_operator(), tmp_path / "a.onnx", format="onnx", rollout=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_is_exported(recipe, tmp_path):
    operator = fitted_operator(**RECIPES[recipe])
    compare_onnx(operator, tmp_path / "graph.onnx")
    compare_pt2(operator, tmp_path / "graph.pt2")
    if operator.trained_on[0].state_fields:
        compare_rollout(operator, tmp_path / "rollout.onnx")


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("recipe", ["paper", "conserved"])
def test_all_sizes_equal_torch(size, recipe, tmp_path):
    of_size = dict(zip(("num_channels", "num_modes"), SIZES[size], strict=True), num_blocks=4)
    options = {**RECIPES[recipe], "shape": (72, 72)}
    options["network"] = {**options.get("network", {}), **of_size}
    operator = fitted_operator(**options)
    compare = compare_onnx if recipe == "paper" else compare_rollout
    compare(operator, tmp_path / "graph.onnx")


def test_the_blocks_of_the_page_on_exports_run(archive, monkeypatch):
    operator, folder = archive
    monkeypatch.chdir(folder)
    export_graph(operator, "pretrain_poisson.onnx", format="onnx")
    names: dict = {}
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    for block in blocks:
        exec(block, names)
    assert names["solution"].shape == (2, 48, 48)
    given = {name: tensor.numpy() for name, tensor in names["given"].items()}
    assert_equal(names["solution"].numpy(), predicted(operator, given)["solution"])
