"""What a training step is, written out; what a prediction obeys whatever the weights are."""

import math
from dataclasses import replace

import pytest
import torch
from silent_trainer import silent_trainer
from waits import Waits

from lightning_sciml.evaluation.metrics import relative_l2
from lightning_sciml.models.fno import FNO
from lightning_sciml.operators.augmentation import moved
from lightning_sciml.operators.network_contract import ChannelNames
from lightning_sciml.pde.steady import Helmholtz
from lightning_sciml.streaming.datamodule import PDEDataModule
from lightning_sciml.streaming.mixture import Mixture
from lightning_sciml.training.losses import NonFiniteError, Suspects
from lightning_sciml.training.module import PretrainingModule

NAMES = ("poisson_1_5", "advection_diffusion_0p2_1", "helmholtz_1_10")
CHANNELS = ("v2", "v1", "k11", "k12", "k22", "omega")  # in an order of its own
NUM_STEPS = 4
pytestmark = pytest.mark.filterwarnings("ignore:The `srun` command is available")


def network() -> FNO:
    torch.manual_seed(0)
    return FNO(num_channels=4, num_modes=4, coefficient_names=CHANNELS)


def trained(datasets, names=NAMES, **options) -> tuple[PretrainingModule, PDEDataModule]:
    module = PretrainingModule(network(), **options)
    data = PDEDataModule([str(datasets[n]) for n in names], batch_size=16)
    trainer = silent_trainer(max_steps=NUM_STEPS, limit_val_batches=0, num_sanity_val_steps=0)
    trainer.fit(module, data)
    return module.eval(), data


def predict(module, batch):
    """û for a batch in the operator's order."""
    return module(batch.inputs, batch.coefficients, batch.dataset)


def first_batch(data):
    return next(iter(data.train_dataloader()))


def test_the_papers_step_written_out(datasets):
    """Inputs over medians, raw target, sum of squares, Adam 1e-3, cosine; equal bit by bit."""
    module, data = trained(datasets, ["poisson_1_5"])
    statistics = data.train_statistics()
    medians = torch.tensor([statistics.coefficients.get(n, 1.0) for n in CHANNELS])
    columns = [CHANNELS.index(n) for n in ("k11", "k22", "k12")]

    plain = network()
    optimizer = torch.optim.Adam(plain.parameters(), lr=1e-3)
    batches = PDEDataModule([str(datasets["poisson_1_5"])], batch_size=16)
    batches.setup("fit")
    loader = batches.train_dataloader()
    step = 0
    while step < NUM_STEPS:
        for batch in loader:
            if step == NUM_STEPS:
                break
            for group in optimizer.param_groups:
                group["lr"] = 1e-3 * 0.5 * (1 + math.cos(math.pi * step / NUM_STEPS))
            s = batch.inputs.square().mean(dim=(1, 2, 3)).sqrt() / statistics.field_norms["source"]
            coefficients = torch.zeros(len(s), len(CHANNELS))
            coefficients[:, columns] = batch.coefficients
            prediction = plain(
                batch.inputs / s[:, None, None, None], coefficients / (s[:, None] * medians)
            )
            loss = (prediction - batch.outputs[:, 0]).square().sum(dim=(1, 2, 3)).sum() / len(s)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
    for name, weight in plain.state_dict().items():
        assert torch.equal(weight, module.operator.network.state_dict()[name]), name


def test_dimensionless_predictions_scale_with_source_and_operator(datasets):
    """û(αf; βc) = (α/β) û(f; c), each sample by its own equation; κ of Helmholtz is fixed: β = 1.

    Powers of two, so that the bits agree.
    """
    module, data = trained(datasets, normalization="dimensionless", loss="relative_l2")
    batch = first_batch(data)
    assert set(batch.dataset.tolist()) == {0, 1, 2}
    alpha, beta = 4.0, torch.where(batch.dataset == 2, 1.0, 0.25)
    scaled = batch._replace(
        inputs=alpha * batch.inputs, coefficients=beta[:, None] * batch.coefficients
    )
    with torch.no_grad():
        expected = (alpha / beta)[:, None, None, None, None] * module.predict_batch(batch)
        assert torch.equal(module.predict_batch(scaled), expected)


def test_helmholtz_predictions_scale_with_omega_and_kappa_together(datasets):
    """û(f; γω, γκ) = û(f; ω, κ)/γ: data sets of several κ are one family in ω/κ."""
    module, data = trained(datasets, normalization="dimensionless")
    batch = first_batch(data)
    gamma = torch.where(batch.dataset == 2, 4.0, 1.0)
    with torch.no_grad():
        expected = module.predict_batch(batch) / gamma[:, None, None, None, None]
        *others, of_kappa = module.operator.problems
        other = replace(of_kappa, equation=Helmholtz(4 * of_kappa.equation.diffusivity))
        module.operator.bind([*others, other])
        scaled = batch._replace(coefficients=gamma[:, None] * batch.coefficients)
        assert torch.equal(module.predict_batch(scaled), expected)


@pytest.mark.parametrize("normalization", ["paper", "dimensionless"])
def test_symmetrized_predictions_are_equivariant_on_every_system(datasets, normalization):
    options = {"augmentations": ["square"], "coordinates": ["square_average"]}
    module, data = trained(datasets, normalization=normalization, **options)
    batch, square = module.in_operator_order(first_batch(data)), module.operator.square
    elements = torch.arange(len(batch.dataset)) % 8
    with torch.no_grad():
        prediction = predict(module, batch)
        image = predict(module, moved(batch, square, elements))
        expected = square.move_outputs(prediction, batch.dataset, elements)
        difference = relative_l2(image, expected)
        module.operator.coordinates = ()
        plain = predict(module, batch)
    assert difference.max() < 1e-4  # round-off of float32 through four blocks
    assert relative_l2(plain, prediction).max() > 1e-3


@pytest.mark.parametrize("coordinates", ["square", "lattice"])
def test_the_network_is_trained_in_the_coordinates_that_it_sees(datasets, coordinates, monkeypatch):
    """Equal bit by bit to training on samples that were brought there before."""
    names = ["advection_diffusion_0p2_1"]
    as_they_are, _ = trained(datasets, names)
    module, _ = trained(datasets, names, coordinates=[coordinates])
    read = Mixture.batch

    def brought_there(mixture, *samples):
        batch = read(mixture, *samples)
        columns = tuple(range(len(mixture.coefficient_names)))  # of the data, not of the operator
        problems = [replace(module.operator.problems[0], columns=columns)]
        kind = type(getattr(module.operator, coordinates))
        changes = kind(problems, ChannelNames(mixture.input_fields, mixture.coefficient_names))
        return moved(batch, changes, changes.elements(batch.coefficients, batch.dataset))

    monkeypatch.setattr(Mixture, "batch", brought_there)
    before, _ = trained(datasets, names)
    weights = module.operator.network.state_dict()
    assert all(torch.equal(w, weights[n]) for n, w in before.operator.network.state_dict().items())
    others = as_they_are.operator.network.state_dict()
    assert not all(torch.equal(w, weights[n]) for n, w in others.items())


def test_with_reduced_anisotropy_predictions_follow_shears(datasets):
    """û(gf; M(g)c) = g û(f; c) for g = [[1, 0], [1, 1]], once the symmetries of the square are out.

    As far as coefficients agree: sheared back they do up to float32's round-off.
    """
    names = ["advection_diffusion_0p2_1"]
    module, data = trained(datasets, names, coordinates=["lattice", "square"])
    batch, lattice = module.in_operator_order(first_batch(data)), module.operator.lattice
    sheared = moved(batch, lattice, torch.ones_like(batch.dataset))
    with torch.no_grad():
        elements = torch.ones_like(batch.dataset)
        expected = lattice.move_outputs(predict(module, batch), batch.dataset, elements)
        assert relative_l2(predict(module, sheared), expected).max() < 1e-4
        module.operator.lattice = None
        assert relative_l2(predict(module, sheared), expected).median() > 1e-3


def test_canonicalized_predictions_are_equivariant_where_advection_breaks_all_symmetries(datasets):
    """Compare with one evaluation, bit by bit."""
    names = ["advection_diffusion_0p2_1"]
    module, data = trained(datasets, names, augmentations=["square"], coordinates=["square"])
    batch, square = module.in_operator_order(first_batch(data)), module.operator.square
    elements = torch.arange(len(batch.dataset)) % 8
    with torch.no_grad():
        prediction = predict(module, batch)
        image = predict(module, moved(batch, square, elements))
        assert torch.equal(image, square.move_outputs(prediction, batch.dataset, elements))
        module.operator.coordinates = ()
        assert relative_l2(predict(module, batch), prediction).max() > 1e-3


def test_waits_are_noted():
    """A list of indices, a mask and a value are each one."""
    x = torch.arange(4.0)
    with Waits() as waits:
        x[[0, 2]], x[x > 1], bool(x.any())
    assert waits.found == ["lift_fresh", "index", "_local_scalar_dense"]


@pytest.mark.parametrize("normalization", ["paper", "dimensionless"])
def test_a_training_step_waits_for_nothing(datasets, monkeypatch, normalization):
    """So a GPU is given the next pass before it has done the last; the loss is looked at later."""
    everything = {
        "augmentations": ["square", "superposition"],
        "coordinates": ["lattice", "square"],
    }
    module, data = trained(datasets, normalization=normalization, **everything)
    monkeypatch.setattr(module, "log", lambda *_, **__: None)
    batch = first_batch(data)
    with Waits() as waits:
        module.training_step(batch, 0).backward()
    assert waits.found == []
    module._watch.require_finite(data.mixtures["train"].members)


def suspects(batch, bad_samples):
    values = torch.ones(len(batch.dataset))
    values[bad_samples] = torch.nan
    return Suspects.among(values, batch, "loss", "epoch 0, step 3")


@pytest.mark.parametrize("hook", ["on_save_checkpoint", "on_validation_start", "training_step"])
def test_a_loss_that_is_not_finite_is_found_before_anything_is_made_of_it(datasets, hook):
    """Once: what was reported is not looked at again."""
    module, data = trained(datasets)
    batch = first_batch(data)
    module._watch.put(suspects(batch, [2, 5]))
    arguments = {"on_save_checkpoint": [{}], "training_step": [batch, 0]}.get(hook, [])
    with pytest.raises(NonFiniteError, match="at epoch 0, step 3, on 2 of 15 samples") as error:
        getattr(module, hook)(*arguments)
    for sample in (2, 5):
        name = NAMES[batch.dataset[sample]]
        assert f"{name}:{batch.sample_index[sample]}" in str(error.value)
    assert not module._watch.is_waiting


def test_no_process_keeps_what_another_has_spoilt(datasets, monkeypatch):
    """Gradients are shared, so the weights of all ranks are lost when one rank's loss is."""
    module, data = trained(datasets)
    module._watch.put(suspects(first_batch(data), []))
    monkeypatch.setattr(
        module.trainer.strategy, "reduce_boolean_decision", lambda decision, all: not all
    )
    with pytest.raises(NonFiniteError, match="of another process"):
        module.on_save_checkpoint({})
