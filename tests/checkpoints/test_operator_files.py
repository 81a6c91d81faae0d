"""Weights are taken over whole, or the first difference is named."""

import copy

import pytest
import torch
from torch import nn

from lightning_sciml.checkpoints.files import read_checkpoint
from lightning_sciml.checkpoints.operator_files import load_matching, load_operator
from lightning_sciml.errors import InputError
from lightning_sciml.models.fno import FNO
from lightning_sciml.models.reference_weights import from_reference
from lightning_sciml.operators.description import OperatorDescription
from lightning_sciml.operators.neural_operator import NeuralOperator
from lightning_sciml.pde.grid import Grid
from lightning_sciml.run_folder import RunFolder
from lightning_sciml.training.module import OperatorModule


def test_matching_weights_are_loaded_bit_by_bit():
    source, target = nn.Linear(3, 2), nn.Linear(3, 2)
    load_matching(target, source.state_dict(), "source.ckpt")
    assert torch.equal(source.weight, target.weight)
    assert torch.equal(source.bias, target.bias)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"weight": torch.zeros(2, 3)}, r"bias \(2,\), a.ckpt has no such tensor"),
        (
            {"weight": torch.zeros(2, 4), "bias": torch.zeros(2)},
            r"weight \(2, 3\), a.ckpt has \(2, 4\)",
        ),
        (
            {"weight": torch.zeros(2, 3), "bias": torch.zeros(2), "gain": torch.zeros(1)},
            r"gain no such tensor, a.ckpt has \(1,\)",
        ),
        (
            {"weight": torch.zeros(2, 3, dtype=torch.complex64), "bias": torch.zeros(2)},
            r"weight \(2, 3\), a.ckpt has \(2, 3\) of complex64, strided",
        ),
        (
            {"weight": torch.full((2, 3), float("nan")), "bias": torch.zeros(2)},
            r"weight of a.ckpt must be finite, 6 of its 6 numbers are NaN or infinite",
        ),
    ],
)
def test_differences_are_named(weights, message):
    module = nn.Linear(3, 2)
    before = module.weight.clone()
    with pytest.raises(InputError, match=message):
        load_matching(module, weights, "a.ckpt")
    assert torch.equal(module.weight, before)


@pytest.fixture(scope="module")
def checkpoint():
    """What a checkpoint of an untrained operator holds."""
    names = ("k11", "k22", "k12")
    operator = NeuralOperator(FNO(num_channels=4, num_modes=4, coefficient_names=names))
    trained = {
        "name": "poisson",
        "equation": "poisson",
        "parameters": {},
        "coefficient_names": names,
        "ranges": dict.fromkeys(names, (0.0, 1.0)),
        "grid": {"shape": [16, 16]},
        "input_fields": ["source"],
        "output_fields": ["solution"],
    }
    described = operator.describe().plain() | {"problems": [trained]}
    weights = {f"operator.{name}": w for name, w in operator.state_dict().items()}
    return {"state_dict": weights, "operator": described}


@pytest.mark.parametrize(("block", "conditioning"), [("paper", "bias"), ("mlp", "film")])
def test_the_blocks_of_a_file_are_seen_by_its_weights(checkpoint, tmp_path, block, conditioning):
    options = {"block": block, "conditioning": conditioning}
    network = FNO(num_channels=4, num_modes=4, coefficient_names=("k11", "k22", "k12"), **options)
    if network.modulation is not None:
        network.modulation.output.weight.data.normal_()  # it begins at zero
    operator = NeuralOperator(network)
    weights = {f"operator.{name}": w for name, w in operator.state_dict().items()}
    torch.save({**checkpoint, "state_dict": weights}, tmp_path / "a.ckpt")
    loaded = load_operator(tmp_path / "a.ckpt").network
    source, coefficients = torch.randn(1, 1, 16, 16), torch.randn(1, 3)
    torch.testing.assert_close(
        loaded(source, coefficients), network(source, coefficients), rtol=0, atol=0
    )


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ({"coordinates": ["polar"]}, "coordinates must be among lattice, .* got polar"),
        ({"normalization": "robust"}, "normalization must be among paper, .* got robust"),
        ({"coefficient_names": ["k11"]}, "coefficients of poisson must be among k11, got k22"),
        ({"input_fields": ["source", "nu"]}, "takes problems Lu = f with the one field"),
    ],
)
def test_a_description_that_this_library_does_not_know_is_one_line(
    checkpoint, tmp_path, edit, message
):
    described = checkpoint["operator"] | edit
    torch.save({**checkpoint, "operator": described}, tmp_path / "a.ckpt")
    with pytest.raises(InputError, match=message):
        load_operator(tmp_path / "a.ckpt")


BEFORE_NAMED_OUTPUTS = {
    "network": {
        "class_path": "lightning_sciml.models.fno.FNO",
        "options": {
            "num_channels": 4,
            "num_modes": 4,
            "num_blocks": 4,
            "coefficient_names": ["k11", "k22", "k12"],
            "input_fields": ["source", "x", "y"],
        },
    },
    "coefficient_names": ["k11", "k22", "k12"],
    "input_fields": ["source", "x", "y"],
    "normalization": "medians",
    "coordinates": ["square_average"],
    "augmentations": ["square"],
    "loss": "relative_l2",
    "problems": [
        {
            "name": "poisson_1_5",
            "equation": "poisson",
            "parameters": {},
            "coefficient_names": ["k11", "k22", "k12"],
            "ranges": {"k11": [0.01, 0.05], "k22": [0.01, 0.05], "k12": [-0.02, 0.02]},
        }
    ],
    "num_points": 64,
}
"""What version 0.2.0 wrote of an operator."""


def test_an_operator_described_before_outputs_had_names_predicts_the_same(tmp_path):
    torch.manual_seed(0)
    network = FNO(num_channels=4, num_modes=4, input_fields=("source", "x", "y"))
    operator = NeuralOperator(network, normalization="medians", coordinates=["square_average"])
    operator.is_fitted.fill_(True)
    weights = {f"operator.{name}": w for name, w in operator.state_dict().items()}
    torch.save({"state_dict": weights, "operator": BEFORE_NAMED_OUTPUTS}, tmp_path / "a.ckpt")
    loaded = load_operator(tmp_path / "a.ckpt")
    [trained] = loaded.trained_on
    assert trained.grid == Grid(shape=(64, 64))
    assert (trained.input_fields, trained.output_fields) == (("source",), ("solution",))
    source, c = torch.randn(2, 16, 16), {"k11": 0.03, "k22": 0.02, "k12": 0.01}
    operator.bind(loaded.problems)
    stacked = torch.tensor([list(c.values())] * 2)
    with torch.no_grad():
        expected = operator.eval()(source[:, None], stacked)[:, 0]
    assert torch.equal(loaded.predict(source, **c), expected)
    again = OperatorDescription.from_plain(loaded.describe().plain())
    assert again == loaded.describe()


@pytest.mark.parametrize(
    "edit", [{"num_points": "64"}, {"num_points": -3}, {"problems": [1]}, {"problems": 1}]
)
def test_a_damaged_description_of_before_is_one_line(edit):
    with pytest.raises(InputError, match="does not describe a neural operator"):
        OperatorDescription.from_plain({**BEFORE_NAMED_OUTPUTS, **edit})


@pytest.mark.parametrize("value", [10**9, -1, "4", None])
@pytest.mark.parametrize("option", ["num_channels", "num_modes", "num_blocks"])
def test_the_shape_of_a_network_is_that_of_its_weights(checkpoint, tmp_path, option, value):
    """An edited number neither fills the memory nor builds another network."""
    described = copy.deepcopy(checkpoint["operator"])
    described["network"]["options"][option] = value
    torch.save({**checkpoint, "operator": described}, tmp_path / "a.ckpt")
    loaded = load_operator(tmp_path / "a.ckpt").network.state_dict()
    for name, weight in loaded.items():
        assert torch.equal(weight, checkpoint["state_dict"][f"operator.network.{name}"])


def test_weights_of_the_paper_s_code_predict_with_the_medians_of_their_training_set(tmp_path):
    """(f, c) → (f, c) / s with s = ‖f‖ / median‖f‖, then c / median|c|: the target has no scale."""
    C, m = 4, 3
    shapes = {
        "fc0": (C, 4),
        "fc1": (2 * C, C),
        "fc2": (1, 2 * C),
        "ws.0": (C, C, 1),
        "ws.1": (C, C, 1),
    }
    torch.manual_seed(0)
    state = {f"{name}.weight": torch.randn(shape) for name, shape in shapes.items()}
    state |= {f"{name}.bias": torch.randn(shape[0]) for name, shape in shapes.items()}
    for block in range(2):
        for rows in (1, 2):
            state[f"sp_convs.{block}.weights{rows}"] = torch.randn(C, C, m, m, 2)
    path = tmp_path / "ckpt.tar"
    torch.save({"model_state": {f"module.{name}": w for name, w in state.items()}}, path)
    with pytest.raises(InputError, match="holds weights alone; give medians of its training set"):
        load_operator(path)
    medians = {"source": 0.5, "k11": 0.02, "k22": 0.04, "k12": 0.01}
    operator = load_operator(path, medians=medians)
    source = torch.randn(2, 16, 16)
    u, report = operator.predict(source, k11=0.03, k22=0.02, k12=[0.005, 0.0], report=True)
    network = FNO(num_channels=C, num_modes=m, num_blocks=2)
    network.load_state_dict(from_reference(state))
    s = source.square().mean(dim=(1, 2)).sqrt() / 0.5
    c = torch.tensor([[1.5, 0.5, 0.5], [1.5, 0.5, 0.0]]) / s[:, None]
    with torch.no_grad():
        expected = network(source[:, None] / s[:, None, None, None], c)[:, 0]
    torch.testing.assert_close(u, expected, rtol=1e-4, atol=1e-4)
    assert (report.pde_residual > 0).all()  # of Poisson, known by the names of its coefficients
    assert report.outside == {}


def test_a_network_of_one_s_own_class_is_given_as_an_instance(checkpoint, tmp_path):
    described = copy.deepcopy(checkpoint["operator"]) | {"loss": "relative_l2"}
    described["network"]["class_path"] = "my_nets.Net"
    path = tmp_path / "a.ckpt"
    torch.save({**checkpoint, "operator": described}, path)
    with pytest.raises(InputError, match=r"is my_nets\.Net, a class that a file of weights"):
        load_operator(path)
    other = FNO(num_channels=4, num_modes=4, coefficient_names=("k22", "k11", "k12"))
    with pytest.raises(InputError, match=r"was trained with .* give them in that order"):
        load_operator(path, network=other)
    sizes = {"num_channels": 4, "num_modes": 4}
    module = OperatorModule.load_from_checkpoint(path, network=FNO(**sizes))
    for operator in (load_operator(path, network=FNO(**sizes)), module.operator):
        for name, weight in operator.state_dict().items():
            assert torch.equal(weight, checkpoint["state_dict"][f"operator.{name}"])


def test_the_folder_of_a_run_stands_for_its_best_checkpoint(checkpoint, tmp_path):
    run = RunFolder(tmp_path / "run")
    run.checkpoints.mkdir(parents=True)
    with pytest.raises(InputError, match=r"folder of a run without checkpoints/best\.ckpt"):
        load_operator(run.path)
    torch.save(checkpoint, run.best)
    assert load_operator(run.path).describe() == load_operator(run.best).describe()
    assert read_checkpoint(run.path).operator == read_checkpoint(run.best).operator
    with pytest.raises(InputError, match=r"it is a folder without a file config\.json"):
        load_operator(tmp_path)


def test_what_is_no_checkpoint_is_rejected(tmp_path):
    with pytest.raises(InputError, match="nothing is there"):
        read_checkpoint(tmp_path / "none.ckpt")
    truncated = tmp_path / "truncated.ckpt"
    torch.save({"state_dict": {"w": torch.zeros(1000)}}, truncated)
    truncated.write_bytes(truncated.read_bytes()[:1500])
    with pytest.raises(InputError, match="cannot be read as a training checkpoint"):
        read_checkpoint(truncated)
    other = tmp_path / "other.pt"
    torch.save({"weights": torch.zeros(1)}, other)
    with pytest.raises(InputError, match="cannot be read as a training checkpoint"):
        read_checkpoint(other)
