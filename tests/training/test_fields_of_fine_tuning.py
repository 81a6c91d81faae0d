"""Fields between pre-training and fine-tuning: in another order, missing, new, renamed."""

import numpy as np
import pytest
import torch
from tiny_run import fit, network, write_run

from lightning_sciml import load_operator, write_dataset
from lightning_sciml.checkpoints.files import read_checkpoint
from lightning_sciml.models.fno import FNO
from lightning_sciml.operators.neural_operator import NeuralOperator
from lightning_sciml.training.weight_transfer import Channels, take_over

SPLIT = {"train": 4, "val": 2, "test": 2}
n, T, N = 8, 4, 8
RNG = np.random.default_rng(0)
ARRAYS = {name: RNG.standard_normal((n, T, N, N)) for name in ("u", "v", "w")}
FORCING = {"forcing": RNG.standard_normal((n, N, N))}
STILL = {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.0}}


def flow(folder, *names, inputs=FORCING):
    write_dataset(folder, inputs, states={name: ARRAYS[name] for name in names}, split=SPLIT)
    return folder


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    root = tmp_path_factory.mktemp("fields")
    fields = {"input_fields": ["forcing", "u", "v", "x"], "output_fields": ["u", "v"]}
    config = write_run(
        root / "run",
        [flow(root / "uv", "u", "v")],
        model={"network": network([], **fields), "normalization": "standard"},
        trainer={"max_epochs": 1},
    )
    return fit(config) / "checkpoints/best.ckpt"


@pytest.fixture
def tune(pretrained, tmp_path):
    def run(dataset, **model):
        config = write_run(
            tmp_path / "tuned",
            [dataset],
            module="FineTuningModule",
            model={"checkpoint": str(pretrained), "optimizer": STILL, **model},
            data={"num_unrolled_steps": 2},
            trainer={"max_epochs": 1},
        )
        return load_operator(fit(config))

    return run


def test_rows_of_the_projection_and_scales_go_by_the_names_of_output_fields():
    torch.manual_seed(0)
    before, after = (
        NeuralOperator(
            FNO(num_channels=4, num_modes=2, input_fields=fields, output_fields=fields),
            normalization="standard",
        )
        for fields in (("u", "v"), ("w", "v", "u"))
    )
    before.normalization.output_stds.copy_(torch.tensor([2.0, 3.0]))
    drawn = after.network.projection.output.weight[0].clone()
    channels = Channels(
        own=after.channel_names, pretrained=before.channel_names, axes=after.channel_axes
    )
    origins = take_over(after, before.state_dict(), channels)
    old, new = before.network.projection.output, after.network.projection.output
    assert torch.equal(new.weight[1:], old.weight.flip(0))
    assert torch.equal(new.bias[1:], old.bias.flip(0))
    assert torch.equal(new.weight[0], drawn)
    assert after.normalization.output_stds.tolist() == [1, 3, 2]
    assert {name for name, origin in origins.items() if origin == "resized"} == {
        "network.lifting.weight",
        *(f"network.projection.output.{kind}" for kind in ("weight", "bias")),
        *(f"normalization.{of}_{kind}s" for of in ("field", "output") for kind in ("mean", "std")),
    }
    assert (after.network.lifting.weight[:, 0] == 0).all()


def test_earlier_states_have_the_pretrained_scale_of_their_field():
    before, after = (
        NeuralOperator(
            FNO(num_channels=4, num_modes=2, input_fields=fields, output_fields=("u",)),
            normalization="standard",
        )
        for fields in (("u", "f"), ("g", "u@-2", "f", "u@-1", "u"))
    )
    before.normalization.field_stds.copy_(torch.tensor([2.0, 3.0]))
    after.normalization.field_stds.copy_(torch.tensor([7.0, 8.0, 8.0, 8.0, 8.0]))
    channels = Channels(
        own=after.channel_names, pretrained=before.channel_names, axes=after.channel_axes
    )
    take_over(after, before.state_dict(), channels)
    assert after.normalization.field_stds.tolist() == [7, 2, 3, 2, 2]
    assert (after.network.lifting.weight[:, [0, 1, 3]] == 0).all()  # weights are of a channel


def test_the_row_of_any_single_field_is_taken_over_under_its_name():
    torch.manual_seed(0)
    before, after = (
        NeuralOperator(FNO(num_channels=4, num_modes=2, output_fields=names))
        for names in ("solution", "pressure")
    )
    channels = Channels(
        own=after.channel_names, pretrained=before.channel_names, axes=after.channel_axes
    )
    origins = take_over(after, before.state_dict(), channels)
    assert set(origins.values()) == {"loaded"}
    for name, tensor in before.network.state_dict().items():
        assert torch.equal(after.network.state_dict()[name], tensor)


def test_fields_in_another_order_are_the_same_operator(tune, pretrained, tmp_path):
    tuned, before = tune(flow(tmp_path / "vu", "v", "u")), load_operator(pretrained)
    assert tuned.output_fields == ("u", "v")
    state = {"forcing": FORCING["forcing"], "u": ARRAYS["u"][:, 0], "v": ARRAYS["v"][:, 0]}
    found, expected = (operator.predict(state, num_steps=2) for operator in (tuned, before))
    assert list(found) == ["v", "u"]  # as in the data that each was trained on
    assert all(np.array_equal(found[name], expected[name]) for name in "uv")


def test_missing_fields_are_zero_and_new_ones_get_channels_of_their_own(tune, pretrained, tmp_path):
    """Predict u and v as before, without forcing and with w beside them: w starts at 0."""
    tuned = tune(flow(tmp_path / "wuv", "w", "u", "v", inputs=None))
    assert tuned.input_fields == ("forcing", "u", "v", "w")
    assert tuned.output_fields == ("u", "v", "w")
    state = {name: ARRAYS[name][:, 0] for name in "uvw"}
    found = tuned.predict(state)
    before = load_operator(pretrained)
    mean_forcing = float(before.normalization.field_means[0])
    calm = {"forcing": np.full((n, N, N), mean_forcing), "u": state["u"], "v": state["v"]}
    expected = before.predict(calm)  # the mean forcing is what zero is after normalisation
    for name in "uv":
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({}, "the data have the input fields ['w'], "),
        (
            {"network": network([], input_fields=["w"], output_fields=["w"])},
            "was trained with ['forcing', 'u', 'v', 'x']; name them alike, or name network.lifting",
        ),
    ],
)
def test_renamed_fields_are_one_line(tune, pretrained, tmp_path, capsys, model, message):
    dataset = flow(tmp_path / "w", "w", inputs=None)
    with pytest.raises(SystemExit):
        tune(dataset, **model)
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "tuned").exists()


def test_renamed_fields_start_anew_if_that_is_asked_for(tune, pretrained, tmp_path):
    fields = {"input_fields": ["w"], "output_fields": ["w"]}
    tuned = tune(
        flow(tmp_path / "w", "w", inputs=None),
        network=network([], **fields),
        reinitialize=["network.lifting.*", "network.projection.output.*"],
    )
    before = read_checkpoint(pretrained).weights["network.blocks.0.skip.weight"]
    assert torch.equal(tuned.network.blocks[0].skip.weight, before)


@pytest.fixture(scope="module")
def in_amplitudes(tmp_path_factory):
    """A data set, and a run on it, whose states are in units of their amplitude."""
    root = tmp_path_factory.mktemp("amplitudes")
    options = {"coefficients": {"nu": np.linspace(1, 2, n)}, "equation": "allen_cahn"}
    write_dataset(root / "set", states={"u": ARRAYS["u"]}, split=SPLIT, **options)
    config = write_run(
        root / "run",
        [root / "set"],
        model={"network": network_of("amplitude_u"), "normalization": "dimensionless"},
        trainer={"max_epochs": 1},
    )
    return root / "set", fit(config)


def network_of(*made):
    return network(["nu"], input_fields=["u", *made], output_fields=["u"])


def test_scales_in_units_of_amplitudes_are_not_taken_for_others(
    in_amplitudes, tune, tmp_path, capsys
):
    dataset, run = in_amplitudes
    with pytest.raises(SystemExit):
        tune(dataset, checkpoint=str(run), network=network_of())
    error = capsys.readouterr().err
    assert "holds the scales of u of amplitude one, this run has u as it is; add" in error
    tuned = tune(dataset, checkpoint=str(run), network=network_of(), statistics="downstream")
    assert tuned.normalization.amplitudes == ()
    plain = (tmp_path / "tuned").rename(tmp_path / "plain")
    with pytest.raises(SystemExit):
        tune(dataset, checkpoint=str(plain), network=network_of("amplitude_u"))
    assert "u as it is, this run has u of amplitude one; drop" in capsys.readouterr().err


def test_inputs_that_no_data_set_has_are_named(in_amplitudes, tmp_path, caplog):
    """A name may be misspelt; a checkpoint's own channels need no mention."""
    dataset, _ = in_amplitudes
    model = {"network": network_of("mask_w", "amplitude_w"), "normalization": "dimensionless"}
    fit(write_run(tmp_path / "run", [dataset], model=model, trainer={"max_epochs": 1}))
    model = {"checkpoint": str(tmp_path / "run"), "optimizer": STILL}
    trainer = {"max_epochs": 1}
    name = {"module": "FineTuningModule"}
    fit(write_run(tmp_path / "tuned", [dataset], model=model, trainer=trainer, **name))
    assert [text for text in caplog.messages if "are zero" in text] == [
        "mask_w, amplitude_w among the network's input_fields are zero in this run: no data set "
        "has that field, or that state in an equation without a scaling group"
    ]
