"""The operator out of Lightning: equal to the program bit for bit, and plain about its limits."""

import subprocess
import sys

import h5py
import numpy as np
import pytest
import torch
from tiny_run import fit, write_run

from lightning_sciml import load_operator
from lightning_sciml.cli.main import main
from lightning_sciml.errors import InputError
from lightning_sciml.operators.neural_operator import NeuralOperator
from lightning_sciml.shards.reader import ShardedDataset
from lightning_sciml.training.module import OperatorModule

RECIPES = {
    "paper": {},
    "dimensionless": {
        "normalization": "dimensionless",
        "coordinates": ["lattice", "square"],
        "augmentations": ["square", "superposition"],
        "loss": "relative_l2",
    },
    "averaged": {"coordinates": ["square_average"]},
}
POISSON = ("k11", "k22", "k12")
BEST = "checkpoints/best.ckpt"


def best(folder, dataset, **options):
    """Train, and return the best checkpoint."""
    folder.parent.mkdir(exist_ok=True)
    return fit(write_run(folder, [dataset], **options, trainer={"max_epochs": 1})) / BEST


@pytest.fixture(scope="module", params=RECIPES)
def trained(request, tmp_path_factory, datasets):
    folder = tmp_path_factory.mktemp("operator") / request.param
    return best(folder, datasets["poisson_1_5"], model=RECIPES[request.param])


@pytest.fixture(scope="module")
def operator(tmp_path_factory, datasets):
    folder = tmp_path_factory.mktemp("operator") / "paper"
    return load_operator(best(folder, datasets["poisson_1_5"]))


def samples(datasets, name="poisson_1_5"):
    """All test samples: sources, and coefficients by name."""
    dataset = ShardedDataset(datasets[name], "test")
    indices = np.arange(dataset.num_samples)
    coefficients = dataset.coefficients(indices)
    by_name = dict(zip(dataset.coefficient_names, coefficients.T, strict=True))
    return dataset.fields(indices)[:, 0], by_name


def predicted(folder, name="poisson_1_5"):
    """Return what `sciml predict` writes, as one batch: other batches have other last bits."""
    main(["predict", "--config", str(folder / "config.yaml"), "--data.eval_batch_size=128"])
    with h5py.File(folder / f"predictions/{name}-test.h5") as file:
        return file[f"{name}/prediction/solution"][:]


def test_arrays_are_predicted_as_sciml_predict_does_bit_for_bit(trained, datasets):
    expected = predicted(trained.parents[1])
    source, coefficients = samples(datasets)
    operator = load_operator(trained)
    assert np.array_equal(operator.predict(source, **coefficients), expected)
    module = OperatorModule.load_from_checkpoint(trained)
    stacked = torch.from_numpy(np.stack([coefficients[n] for n in POISSON], axis=1)).float()
    with torch.no_grad():
        u = module(torch.from_numpy(source)[:, None], stacked)
    assert np.array_equal(u[:, 0].numpy(), expected)


@pytest.mark.parametrize("low_rank", [None, 2])
def test_fine_tuned_operators_need_neither_network_nor_recipe_again(
    trained, datasets, tmp_path, low_rank
):
    """Fine-tune on other physics, with coefficients that the checkpoint has not seen."""
    options = {"checkpoint": str(trained), "low_rank": low_rank}
    downstream = datasets["advection_diffusion_0p2_1"]
    tuned = best(tmp_path / "tuned", downstream, module="FineTuningModule", model=options)
    before, operator = load_operator(trained), load_operator(tuned)
    assert operator.coefficient_names == (*POISSON, "v1", "v2")
    assert operator.describe().coordinates == before.describe().coordinates
    source, coefficients = samples(datasets, "advection_diffusion_0p2_1")
    expected = predicted(tmp_path / "tuned", "advection_diffusion_0p2_1")
    assert np.array_equal(operator.predict(source, **coefficients), expected)


def test_an_export_is_the_same_operator(trained, datasets, tmp_path):
    main(["export", str(trained), "--format=safetensors", "--output", str(tmp_path / "released")])
    assert {p.name for p in (tmp_path / "released").iterdir()} == {
        "config.json",
        "model.safetensors",
    }
    source, coefficients = samples(datasets)
    one, other = (load_operator(p) for p in (trained, tmp_path / "released"))
    assert np.array_equal(
        one.predict(source, **coefficients), other.predict(source, **coefficients)
    )
    assert one.describe() == other.describe()


def test_shapes_and_kinds_come_back_as_given(operator, datasets):
    source, coefficients = samples(datasets)
    batch = operator.predict(source, **coefficients)
    numbers = {name: float(values[0]) for name, values in coefficients.items()}
    one = operator.predict(source[0], **numbers)
    assert (batch.shape, one.shape, one.dtype) == (source.shape, source.shape[1:], np.float32)
    np.testing.assert_allclose(one, batch[0], rtol=1e-4, atol=1e-6 * abs(one).max())  # round-off
    tensors = {name: torch.from_numpy(values) for name, values in coefficients.items()}
    as_torch = operator.predict(torch.from_numpy(source), **tensors)
    assert torch.equal(as_torch, torch.from_numpy(batch))
    in_parts = operator.predict(source, batch_size=3, **coefficients)
    np.testing.assert_allclose(in_parts, batch, rtol=1e-4, atol=1e-6 * abs(batch).max())
    finer = np.kron(source[0], np.ones((2, 2)))  # any grid that holds the modes
    assert operator.predict(finer, **numbers).shape == (64, 64)


def test_a_report_tells_the_residual_and_what_lies_outside_the_training(operator, datasets):
    source, coefficients = samples(datasets)
    ranges = operator.trained_on[0].ranges
    coefficients |= {"k12": np.clip(coefficients["k12"], *ranges["k12"])}
    _, report = operator.predict(source, report=True, **coefficients)
    assert report.pde_residual.shape == (len(source),)
    assert (report.pde_residual > 0.1).all()  # after three steps of training
    assert report.outside == {}
    low, high = ranges["k11"]
    _, report = operator.predict(source, report=True, **{**coefficients, "k11": 2 * high})
    assert report.outside == {"k11": (low, high)}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k11": 1.0}, "takes the coefficients k11, k22, k12 .poisson_1_5., got k11; give"),
        (
            {"k11": 1.0, "k22": 1.0, "k12": 0.0, "omega": 3.0},
            "coefficients k11, k22, k12 .poisson_1_5., got",
        ),
        ({"k11": [1.0, 2.0], "k22": 1.0, "k12": 0.0}, "k11 must be one number, or one for each"),
        ({"k11": np.nan, "k22": 1.0, "k12": 0.0}, "k11 must be finite"),
        ({"fields": np.ones((4, 8, 9))}, r"source must be \(H, W\) or \(B, H, W\), .* H:W = 1:1"),
        ({"fields": np.ones((1, 1, 16, 16))}, r"got \(1, 1, 16, 16\)"),
        ({"fields": np.full((16, 16), np.inf)}, "source must be finite"),
        ({"fields": np.ones((16, 16), complex)}, "source must be real"),
        ({"fields": np.ones((0, 16, 16))}, r"got \(0, 16, 16\)"),
        ({"fields": np.full((16, 16), "a")}, "source must be numbers, got an array of <U1"),
        ({"k11": "a", "k22": 1.0, "k12": 0.0}, "k11 must be numbers"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"fields": {"nu": np.ones((16, 16))}}, "the operator takes the fields source, got nu"),
    ],
)
def test_wrong_names_shapes_and_values_are_one_line(operator, arguments, message):
    fields = arguments.pop("fields", np.ones((3, 16, 16)))
    if "k11" not in arguments:
        arguments |= {"k11": 1.0, "k22": 1.0, "k12": 0.0}
    with pytest.raises(InputError, match=message) as error:
        operator.predict(fields, **arguments)
    assert "\n" not in str(error.value)


def test_coefficients_that_are_missing_are_named_as_they_are_given(operator):
    with pytest.raises(InputError, match=r"got none; give them by name: k11=\.\.\., k22="):
        operator.predict(np.ones((16, 16)))


@pytest.mark.parametrize("dtype", [">f4", "f2", "longdouble", "uint8", "int64", bool])
def test_every_type_and_layout_of_numpy_is_taken(operator, dtype):
    values = np.random.default_rng(0).integers(2, size=(2, 16, 16))
    numbers = {"k11": np.array([2, 1], dtype), "k22": 1, "k12": 0}
    expected = operator.predict(values.astype(np.float32), **numbers)
    given = values.astype(dtype)
    backwards = np.ascontiguousarray(given[:, ::-1])[:, ::-1]
    backwards.flags.writeable = False
    assert np.array_equal(operator.predict(given, **numbers), expected)
    assert np.array_equal(operator.predict(backwards, **numbers), expected)


def test_loading_an_operator_loads_neither_lightning_nor_a_compiler(operator, tmp_path):
    """`import lightning_sciml` no torch; what one does not load costs no start-up time."""
    code = (
        "import sys, lightning_sciml; assert 'torch' not in sys.modules; "
        "from lightning_sciml import load_operator; "
        "print([m for m in ('lightning', 'torchmetrics', 'torch._dynamo') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("attribute", "names"),
    [
        ("coefficient_names", ("k11", "k11", "k22")),
        ("coefficient_names", "k11"),
        ("coefficient_names", None),
        ("input_fields", ("source", "source")),
        ("input_fields", "source"),
    ],
)
def test_a_network_names_each_channel_once(attribute, names):
    """A channel named twice would stay zero, a text would be taken for its letters."""
    network = torch.nn.Identity()
    network.coefficient_names = ("k11",)
    setattr(network, attribute, names)
    with pytest.raises(InputError, match=f"Identity needs an attribute {attribute}"):
        NeuralOperator(network, normalization="medians")
