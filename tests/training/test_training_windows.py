"""Training on windows of several fields: by name in any order, with the losses written out."""

import numpy as np
import pytest
import torch
from silent_trainer import silent_trainer
from waits import Waits

from lightning_sciml import write_dataset
from lightning_sciml.errors import InputError
from lightning_sciml.models.fno import FNO
from lightning_sciml.shards.reader import ShardedDataset
from lightning_sciml.streaming.datamodule import PDEDataModule
from lightning_sciml.training.losses import LOSSES, NonFiniteError
from lightning_sciml.training.module import PretrainingModule

SPLIT = {"train": 8, "val": 3, "test": 1}
n, T, H, W = 12, 5, 8, 12
RNG = np.random.default_rng(0)
STATES = {name: RNG.standard_normal((n, T, H, W)).astype("f4") for name in ("u", "v")}
FORCING = {"forcing": RNG.standard_normal((n, H, W)).astype("f4")}
NU = {"nu": np.linspace(0.1, 1.0, n)}
FIELDS = ("v@-1", "u", "u@-1", "v", "forcing", "x")
pytestmark = pytest.mark.filterwarnings("ignore:The `srun` command is available")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Trajectories of u and v in both orders, of u alone, and a steady set for v."""
    root = tmp_path_factory.mktemp("windows")
    for name, order in (("uv", ["u", "v"]), ("vu", ["v", "u"])):
        states = {field: STATES[field] for field in order}
        options = {"states": states, "boundary": ("wall", "periodic"), "split": SPLIT}
        write_dataset(root / name, FORCING, coefficients=NU, **options)
    write_dataset(root / "u", states={"u": STATES["u"]}, split=SPLIT)
    write_dataset(root / "steady", FORCING, {"v": STATES["v"][:, 0]}, split=SPLIT)
    return root


def trained(folders, names, history=2, outputs=("v", "u"), replay=(), **options):
    torch.manual_seed(0)
    net = FNO(
        num_channels=4,
        num_modes=3,
        coefficient_names=("nu",),
        input_fields=FIELDS,
        output_fields=outputs,
    )
    module = PretrainingModule(net, **{"normalization": "standard", **options})
    data = PDEDataModule(
        [str(folders / name) for name in names],
        batch_size=8,
        history=history,
        num_unrolled_steps=2,
        replay=[str(folders / name) for name in replay],
    )
    trainer = silent_trainer(max_epochs=1)
    trainer.fit(module, data)
    return module, data, trainer


def test_the_order_of_fields_in_the_data_changes_no_bit(folders):
    one, _, first = trained(folders, ["uv"])
    other, _, second = trained(folders, ["vu"])
    state = other.operator.state_dict()
    assert all(torch.equal(tensor, state[n]) for n, tensor in one.operator.state_dict().items())
    for name in ("val/relative_l2", "val/relative_l2/u", "val/relative_l2/v"):
        assert first.callback_metrics[name] == second.callback_metrics[name], name


@pytest.mark.parametrize("loss", LOSSES)
def test_a_step_on_windows_is_the_loop_written_out(folders, loss):
    """Standard scores in, standard scores out and fed back; the loss over both fields and steps."""
    module, data, _ = trained(folders, ["uv"], loss=loss)
    batch = next(iter(data.train_dataloader()))
    module.log = lambda *_, **__: None
    found = module.training_step(batch, 0)
    stored = ShardedDataset(data.directories[0], "train")
    whole = stored[np.arange(len(stored))]
    moments = {name: (whole[name].mean(), whole[name].std()) for name in ("u", "v", "forcing")}

    def scores(name, field):
        mean, std = (float(value) for value in moments[name])
        return (field - mean) / std

    x = (torch.arange(W) / W).expand(len(batch.inputs), H, W)
    nu = batch.coefficients / np.median(whole["nu"])
    states = dict(zip(("u@-1", "v@-1", "u", "v"), batch.inputs[:, 1:].unbind(1), strict=True))
    total = 0.0
    for step in range(2):
        inputs = {name: scores(name[0], states[name]) for name in states}
        inputs |= {"forcing": scores("forcing", batch.inputs[:, 0]), "x": x}
        output = module.operator.network(torch.stack([inputs[n] for n in FIELDS], 1), nu.float())
        output = dict(zip(("v", "u"), output.unbind(1), strict=True))
        for j, name in enumerate(("u", "v")):
            wanted = scores(name, batch.outputs[:, step, j])
            errors = (output[name] - wanted).square().sum((1, 2))
            if loss == "relative_l2":
                errors = (errors / wanted.square().sum((1, 2))).sqrt() / 4
            total = total + errors.mean()
        for name in ("u", "v"):
            mean, std = (float(value) for value in moments[name])
            states[f"{name}@-1"], states[name] = states[name], mean + std * output[name]
    torch.testing.assert_close(found, total, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("normalization", ["standard", "medians"])
@pytest.mark.parametrize("loss", LOSSES)
def test_fields_that_a_data_set_lacks_enter_neither_loss_nor_metrics(folders, loss, normalization):
    """The network's prediction of them may be anything: the gradient of its row is zero.

    Without scores the reference that is lacking is zero, and an error relative to it infinite.
    """
    options = {"loss": loss, "normalization": normalization}
    module, data, trainer = trained(folders, ["u", "steady"], **options)
    module.log = lambda *_, **__: None
    for batch in data.train_dataloader():
        (lacking,) = set(batch.dataset.tolist())  # the set u lacks v, row 0; the other one u
        module.zero_grad()
        module.training_step(batch, 0).backward()
        gradient = module.operator.network.projection.output.weight.grad
        assert torch.isfinite(gradient).all()
        assert (gradient[lacking] == 0).all()
        assert (gradient[1 - lacking] != 0).all()
    metrics = trainer.callback_metrics
    assert metrics["val/relative_l2/v"] == metrics["val/relative_l2/steady"]
    assert metrics["val/relative_l2/u_field"] == metrics["val/relative_l2/u"]


def test_a_field_of_replayed_sets_alone_has_no_validation_error(folders):
    _, _, trainer = trained(folders, ["u"], replay=["uv"])
    metrics = trainer.callback_metrics
    assert "val/relative_l2/v" not in metrics
    assert metrics["val/relative_l2/u_field"] == metrics["val/relative_l2"]


def test_a_field_that_is_zero_is_named_as_what_no_relative_error_is_defined_of(tmp_path):
    states = {"u": STATES["u"], "v": np.zeros((n, T, H, W))}
    write_dataset(tmp_path / "zero", FORCING, coefficients=NU, states=states, split=SPLIT)
    with pytest.raises(NonFiniteError, match=r"zero:2; v is zero at all points there, .*anew"):
        trained(tmp_path, ["zero"], loss="sum_of_squares")


def test_options_of_windows_that_do_nothing_are_named(folders, caplog):
    with caplog.at_level("INFO"):
        PDEDataModule([str(folders / "steady")], history=2, window_starts=3).setup("fit")
        PDEDataModule([str(folders / "steady")]).setup("fit")
        PDEDataModule([str(folders / "u")], history=2).setup("fit")
    (said,) = caplog.messages
    assert said.startswith("data.history, data.window_starts are of trajectories")


def test_a_network_of_the_one_output_solution_takes_the_scores_of_the_field_it_predicts(folders):
    module, data, _ = trained(folders, ["u"], outputs=("solution",))
    values = ShardedDataset(data.directories[0], "train")[:]["u"]
    scales = module.operator.normalization
    assert scales.output_means.item() == pytest.approx(values.mean(), rel=1e-4)
    assert scales.output_stds.item() == pytest.approx(values.std(), rel=1e-4)


def test_metrics_are_means_over_steps_and_fields(folders):
    module, data, trainer = trained(folders, ["uv"])
    by_field = []
    with torch.no_grad():
        for batch in data.val_dataloader():
            found = module.predict_batch(batch)
            difference = (found - batch.outputs).square().sum((-2, -1))
            by_field.append((difference / batch.outputs.square().sum((-2, -1))).sqrt())
    errors = torch.cat(by_field).double()
    metrics = trainer.callback_metrics
    for name, value in (
        ("val/relative_l2", errors.mean()),
        ("val/relative_l2/u", errors[:, :, 0].mean()),
        ("val/relative_l2/v", errors[:, :, 1].mean()),
    ):
        torch.testing.assert_close(metrics[name].double(), value, rtol=1e-5, atol=0)


@pytest.mark.parametrize("how", [{}, {"checkpoint_steps": True}, {"gradients": "last"}])
def test_a_step_on_windows_waits_for_nothing(folders, how):
    """Looked up are masks, coordinates, states and present fields of two different problems."""
    options = {"predicts": "increment", "input_noise": 0.1, **how} if how else {}
    module, data, _ = trained(folders, ["u", "uv"], loss="relative_l2", **options)
    module.log = lambda *_, **__: None
    batch = next(iter(data.train_dataloader()))
    with Waits() as waits:
        module.training_step(batch, 0).backward()
    assert waits.found == []


def test_windows_without_the_earlier_states_that_a_network_takes_are_rejected(folders):
    with pytest.raises(InputError, match=r"takes v@-1, u@-1, windows of history=1 do not hold it"):
        trained(folders, ["uv"], history=1)
    trained(folders, ["steady"], history=1)  # lacks the states altogether: they are zero
