"""What is measured on training samples is mean zero and deviation one of what the network sees."""

import tracemalloc

import numpy as np
import pytest
import torch

from lightning_sciml import write_dataset
from lightning_sciml.models.fno import FNO
from lightning_sciml.operators.description import problem_of
from lightning_sciml.operators.neural_operator import NeuralOperator
from lightning_sciml.streaming import measured_windows
from lightning_sciml.streaming.datamodule import PDEDataModule
from lightning_sciml.streaming.unit_statistics import unit_statistics

SPLIT = {"train": 6, "val": 1, "test": 1}
SHAPE = (8, 8)
INTERVAL = 0.25


def write_sets(folder):
    """Random fields of flows that scale, of a reaction that does not, and of media."""
    rng = np.random.default_rng(0)
    sizes = np.exp(rng.normal(size=(8, 1, 1, 1)))
    states = sizes * (rng.normal(size=(3, 8, 5, *SHAPE)) + 0.3)
    times, nu = (INTERVAL * np.arange(5)).tolist(), rng.uniform(1, 2, 8)
    for name, fields in (
        ("burgers", {"velocity_x": states[0], "velocity_y": states[1]}),
        ("allen_cahn", {"u": states[2]}),
    ):
        options = {"coefficients": {"nu": nu}, "times": times, "split": SPLIT, "equation": name}
        write_dataset(folder / name, states=fields, **options)
    a, f, u = np.exp(rng.normal(size=(3, 8, *SHAPE)))
    write_dataset(
        folder / "darcy",
        inputs={"diffusivity": a, "source": f},
        outputs={"solution": u},
        coefficients={"contrast": nu},
        boundary=("dirichlet", "dirichlet"),
        split=SPLIT,
        equation="darcy",
    )
    return [folder / name for name in ("burgers", "allen_cahn", "darcy")]


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    return write_sets(tmp_path_factory.mktemp("sets"))


def fitted(sets, **options):
    data = PDEDataModule(list(map(str, sets)), batch_size=4, num_prefetch=0, **options)
    data.setup("fit")
    network = FNO(
        num_channels=2,
        num_modes=2,
        coefficient_names=(*data.coefficient_names, "lead_time"),
        input_fields=data.input_fields,
        output_fields=data.output_fields,
    )
    operator = NeuralOperator(network, normalization="dimensionless", predicts="increment")
    mixture = data.mixtures["train"]
    operator.bind([problem_of(member, operator.coefficient_names) for member in mixture.members])
    operator.fit(data.train_statistics(with_increments=True, in_units=True), [])
    return data, operator


def test_inputs_outputs_and_increments_are_standardised(sets):
    """Over all windows; flows are of order one in their units, whatever they were."""
    data, operator = fitted(sets)
    seen, wanted = {}, {}
    for batch in data.train_dataloader():
        lead_times = torch.full((len(batch.inputs), 1), INTERVAL)
        c = torch.cat([batch.coefficients, lead_times], dim=1)
        fields, _, _ = operator.normalization(batch.inputs, c, batch.dataset)
        _, outputs = operator.training_pair(batch.inputs, c, batch.dataset, batch.outputs)
        for row, d in enumerate(batch.dataset.tolist()):
            p = operator.problems[d]
            for name in p.input_fields:
                at = operator.input_fields.index(name)
                seen.setdefault(name, []).append(fields[row, at])
            for name in p.output_fields:
                at = operator.output_fields.index(name)
                wanted.setdefault(name, []).append(outputs[row, 0, at])
    assert len(seen) == 5
    for values in map(torch.cat, seen.values()):
        torch.testing.assert_close(values.mean(), torch.tensor(0.0), atol=1e-4, rtol=0)
        torch.testing.assert_close(values.std(), torch.tensor(1.0), atol=1e-2, rtol=0)
    solution = torch.cat(wanted.pop("solution"))
    torch.testing.assert_close(solution.mean(), torch.tensor(0.0), atol=1e-4, rtol=0)
    for values in map(torch.cat, [[solution], *wanted.values()]):
        root_mean_square = values.square().mean().sqrt()
        torch.testing.assert_close(root_mean_square, torch.tensor(1.0), atol=1e-2, rtol=0)


def test_numbers_are_divided_by_the_medians_of_what_they_are_in_units(sets):
    data, operator = fitted(sets)
    medians = dict(
        zip(operator.coefficient_names, operator.normalization.median_coefficients, strict=True)
    )
    assert medians["contrast"] == pytest.approx(np.median(_coefficients(data, 2)))
    rates, lead_times = [], []
    for batch in _windows(data, 0):
        s = batch.inputs[:, :2].double().square().mean((1, 2, 3)).sqrt()
        rates += (batch.coefficients[:, data.coefficient_names.index("nu")] / s).tolist()
        lead_times += (INTERVAL * s).tolist()
    nu = np.repeat(_coefficients(data, 1), 4)
    assert medians["nu"] == pytest.approx(np.median([*rates, *nu]), rel=1e-5)
    lead_times += [INTERVAL] * len(nu)
    assert medians["lead_time"] == pytest.approx(np.median(lead_times), rel=1e-5)


def test_the_same_windows_are_measured_on_every_rank(sets, monkeypatch):
    """Take a few of many: a run with other batches and steps has the same numbers."""
    monkeypatch.setattr(measured_windows, "NUM_MEASURED", 7)
    one, other = (
        PDEDataModule(list(map(str, sets)), batch_size=size, seed=size) for size in (2, 3)
    )
    for data in (one, other):
        data.setup("fit")
    measured = [d.train_statistics(with_increments=True, in_units=True) for d in (one, other)]
    assert measured[0].in_units == measured[1].in_units
    assert one.train_statistics().in_units is None


def test_many_windows_take_no_more_memory_than_a_few(sets, monkeypatch):
    """Fields are reduced to means part by part, as they are read."""
    data = PDEDataModule([str(sets[0])], batch_size=4)
    data.setup("fit")
    (member,) = data.mixtures["train"].members
    unit_statistics([member])  # what is kept is kept now
    monkeypatch.setattr(measured_windows, "_PART", 4)
    most_bytes = []
    for number in (4, 24):
        monkeypatch.setattr(measured_windows, "NUM_MEASURED", number)
        tracemalloc.start()
        unit_statistics([member])
        most_bytes.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert most_bytes[1] < 1.5 * most_bytes[0]


def _coefficients(data, d):
    member = data.mixtures["train"].members[d]
    return member.dataset.coefficients(member.subset(np.arange(6)))[:, 0]


def _windows(data, d):
    for batch in data.train_dataloader():
        if (batch.dataset == d).any():
            yield batch.map(lambda tensor, rows=batch.dataset == d: tensor[rows])
