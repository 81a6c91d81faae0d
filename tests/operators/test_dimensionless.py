"""Dimensionless: whatever the network is, its prediction of a scaled problem is the scaled one."""

from dataclasses import replace

import pytest
import torch
from evolution_states import CASES
from scalings import EVOLVING, SCALINGS

from lightning_sciml.errors import InputError
from lightning_sciml.models.fno import FNO
from lightning_sciml.operators.augmentation import Augmentations, moved
from lightning_sciml.operators.neural_operator import NeuralOperator
from lightning_sciml.operators.problem import Problem
from lightning_sciml.pde.darcy import Darcy
from lightning_sciml.pde.evolution import EVOLUTION_EQUATIONS
from lightning_sciml.pde.grid import Grid
from lightning_sciml.pde.steady import Poisson
from lightning_sciml.streaming.mixture import Batch
from lightning_sciml.streaming.training_statistics import TrainingStatistics
from lightning_sciml.streaming.windows import history_names

ALL = [*SCALINGS, "allen_cahn"]
COEFFICIENTS = ("lead_time", "c", "contrast", "nu", "k12", "k22", "k11", "v1", "v2")
INPUTS = ("u@-1", "u_t", "u", "velocity_y", "velocity_x", "vorticity", "diffusivity", "source")
OUTPUTS = ("vorticity", "velocity_x", "velocity_y", "solution", "u_t", "u")
SIZES = dict.fromkeys((*OUTPUTS, *INPUTS, *COEFFICIENTS), 1.5)
MEASURED = TrainingStatistics(
    field_norms={},
    coefficients=SIZES,
    scaled_coefficients={},
    field_means=dict.fromkeys(SIZES, 0.3),
    field_stds=SIZES,
    increments=dict.fromkeys(OUTPUTS, 0.2),
)
STATISTICS = replace(MEASURED, in_units=MEASURED)


def problem_of(name) -> Problem:
    equation = {"poisson": Poisson(), "darcy": Darcy(("contrast",))}.get(name)
    inputs, outputs = (("diffusivity", "source")[name == "poisson" :], ("solution",))
    states = ()
    if equation is None:
        equation = EVOLUTION_EQUATIONS[name]()
        inputs = outputs = states = equation.state_fields
        if name == "heat":
            inputs = history_names(states, 2)
    return Problem(
        name=f"{name}_small",
        equation=equation,
        grid=Grid(shape=(8, 8)),
        columns=tuple(map(COEFFICIENTS.index, equation.coefficient_names)),
        input_fields=inputs,
        output_fields=outputs,
        state_fields=states,
    )


PROBLEMS = [*map(problem_of, ALL)]
NUMBERS = torch.arange(len(ALL))


def operator_of(**options) -> NeuralOperator:
    torch.manual_seed(0)
    network = FNO(
        num_channels=6,
        num_modes=3,
        coefficient_names=COEFFICIENTS,
        input_fields=(*INPUTS, "x", "mask_u"),
        output_fields=OUTPUTS,
    )
    network.lifting.weight.data.mul_(30)  # so that the prediction depends on fields and numbers
    operator = NeuralOperator(network, normalization="dimensionless", **options)
    operator.fit(STATISTICS, [])
    operator.bind(PROBLEMS)
    return operator.double()


def samples(*, scaled=False):
    """One of each problem: fields, coefficients; or the same ones scaled."""
    torch.manual_seed(1)
    fields = 1 + torch.rand(len(ALL), len(INPUTS), 8, 8, dtype=torch.float64)
    numbers = 1 + torch.rand(len(ALL), len(COEFFICIENTS), dtype=torch.float64)
    for row, p in enumerate(PROBLEMS):
        by = SCALINGS.get(ALL[row])
        for i, name in enumerate(INPUTS):
            factor = by.fields[name.partition("@")[0]] if by and name in p.input_fields else 1.0
            fields[row, i] *= (name in p.input_fields) * (factor if scaled else 1.0)
        for j, name in enumerate(COEFFICIENTS):
            factor = 1.0
            if by and scaled:
                factor = by.time if name == "lead_time" else by.coefficients
            is_own = j in p.columns or (name == "lead_time" and p.state_fields)
            numbers[row, j] *= bool(is_own) * factor
    return fields, numbers


def factors(operator):
    """(B, F, 1, 1) of the outputs of each problem; NaN where it has none."""
    found = torch.full((len(ALL), len(OUTPUTS)), torch.nan, dtype=torch.float64)
    for row, p in enumerate(PROBLEMS):
        of = SCALINGS[ALL[row]].fields if ALL[row] in SCALINGS else {}
        for name in p.output_fields:
            found[row, OUTPUTS.index(name)] = of.get(name, 1.0)
    return found[..., None, None]


@pytest.mark.parametrize("predicts", ["state", "increment"])
def test_predictions_of_scaled_problems_are_the_scaled_predictions(predicts):
    """Scale a mixture of all equations, over three steps that depend on each other."""
    operator = operator_of(predicts=predicts)
    by = factors(operator)[:, None]
    with torch.no_grad():
        one, other = (
            operator.unroll(*samples(scaled=scaled), NUMBERS, num_steps=3)
            for scaled in (False, True)
        )
    is_own = ~by.isnan().expand_as(one)
    torch.testing.assert_close(other[is_own], (by * one)[is_own], rtol=1e-9, atol=0)
    assert (one[:, 1] != one[:, 0]).any()


@pytest.mark.parametrize("predicts", ["state", "increment"])
def test_what_a_loss_compares_is_the_same_for_scaled_problems(predicts):
    """So every sample of an orbit counts alike."""
    operator = operator_of(predicts=predicts)
    by = factors(operator)[:, None]
    outputs = torch.rand(len(ALL), 3, len(OUTPUTS), 8, 8, dtype=torch.float64)
    pairs = [
        operator.training_pair(*samples(scaled=scaled), NUMBERS, of)
        for scaled, of in ((False, outputs), (True, by * outputs))
    ]
    is_own = ~by.isnan().expand_as(outputs)
    for one, other in zip(*pairs, strict=True):
        torch.testing.assert_close(other[is_own], one[is_own], rtol=1e-9, atol=1e-12)
    found, wanted = pairs[0]
    (found - wanted)[is_own].square().sum().backward()
    gradients = [p.grad for p in operator.network.parameters()]
    assert all(torch.isfinite(g).all() for g in gradients)


@pytest.mark.parametrize("predicts", ["state", "increment"])
def test_a_loss_is_not_lowered_by_the_unit_of_a_prediction(predicts):
    """Its gradient is that of an error in units that do not change with the weights."""
    operator = operator_of(predicts=predicts)
    row, place = ALL.index("navier_stokes"), OUTPUTS.index("vorticity")
    given = [of[row : row + 1] for of in (*samples(), NUMBERS)]
    outputs = torch.rand(1, 2, len(OUTPUTS), 8, 8, dtype=torch.float64)
    weight = operator.network.lifting.weight
    found, wanted = (of[0, 1, place] for of in operator.training_pair(*given, outputs))
    (gradient,) = torch.autograd.grad((found - wanted).square().sum(), weight)
    first, second = operator.unroll(*given, num_steps=2)[0, :, place]
    unit = first.detach().square().mean().sqrt()
    error = (second - outputs[0, 1, place]) / (unit * (1.5 if predicts == "state" else 0.2))
    torch.testing.assert_close(found - wanted, error)
    (expected,) = torch.autograd.grad(error.square().sum(), weight)
    torch.testing.assert_close(gradient, expected)


def test_what_the_network_sees_is_standardised_in_units():
    """Without a scaling group fields and lead times keep their own unit.

    Of numbers that are positive the network sees the logarithm.
    """
    operator = operator_of()
    fields, numbers = samples()
    network_fields = operator.channels.network_fields(fields, NUMBERS)
    seen, c, _ = operator.normalization(network_fields, numbers, NUMBERS)
    u, nu, lead = INPUTS.index("u"), COEFFICIENTS.index("nu"), COEFFICIENTS.index("lead_time")
    row = ALL.index("allen_cahn")
    torch.testing.assert_close(seen[row, u], (fields[row, u] - 0.3) / 1.5)
    torch.testing.assert_close(c[row, [nu, lead]], 1 + (numbers[row, [nu, lead]] / 1.5).log())
    row, omega = ALL.index("navier_stokes"), fields[ALL.index("navier_stokes"), 5]
    s = omega.square().mean().sqrt()
    torch.testing.assert_close(seen[row, 5], (omega / s - 0.3) / 1.5)
    torch.testing.assert_close(c[row, nu], 1 + (numbers[row, nu] / s / 1.5).log())
    torch.testing.assert_close(c[row, lead], 1 + (numbers[row, lead] * s / 1.5).log())
    row, k12 = ALL.index("heat"), COEFFICIENTS.index("k12")
    torch.testing.assert_close(c[row, k12], numbers[row, k12] * numbers[row, lead] / 1.5)
    assert (c[row, nu], c[ALL.index("poisson"), lead]) == (0, 0)  # they have none
    torch.testing.assert_close(seen[:, -2:], network_fields[:, -2:])  # x and a mask


def test_a_time_that_scales_needs_the_lead_time():
    network = FNO(
        num_channels=4,
        num_modes=3,
        coefficient_names=("nu",),
        input_fields=("vorticity",),
        output_fields=("vorticity",),
    )
    operator = NeuralOperator(network, normalization="dimensionless")
    wanted = (
        "scales the time of navier_stokes_small, so the network must take lead_time, its "
        r"coefficients are \['nu'\]; add lead_time"
    )
    flow = replace(problem_of("navier_stokes"), columns=(0,))
    with pytest.raises(InputError, match=wanted):
        operator.bind([flow])
    with pytest.raises(InputError, match="its units from an equation, got navier_stokes_small"):
        operator.bind([replace(flow, equation=None)])
    drag = EVOLUTION_EQUATIONS["forced_navier_stokes"]()
    operator.bind([replace(flow, equation=drag)])  # a force of a fixed size: nothing scales


def test_statistics_without_units_are_rejected():
    with pytest.raises(ValueError, match="compute them with in_units=True"):
        operator_of().normalization.measured(MEASURED)


def darcy_batch() -> Batch:
    torch.manual_seed(2)
    return Batch(
        inputs=1 + torch.rand(8, 2, 8, 8),
        outputs=torch.rand(8, 1, 1, 8, 8),
        coefficients=torch.rand(8, 1),
        dataset=torch.zeros(8, dtype=torch.long),
        sample_index=torch.arange(8),
        time_index=torch.zeros(8, dtype=torch.long),
        lead_time=torch.zeros(8),
        global_size=8,
    )


@pytest.mark.parametrize("boundary", ["dirichlet", "periodic"])
def test_darcy_flow_has_the_symmetries_of_the_square(boundary):
    """All eight, of scalars between walls or periodic; their mean is equivariant to rounding."""
    darcy = replace(
        problem_of("darcy"), columns=(0,), grid=Grid(shape=(8, 8), boundary=(boundary,) * 2)
    )
    network = FNO(
        num_channels=4,
        num_modes=3,
        coefficient_names=("contrast",),
        input_fields=("source", "diffusivity", "x", "y"),
    )
    options = {"normalization": "dimensionless", "coordinates": ["square", "square_average"]}
    operator, batch = NeuralOperator(network, **options), darcy_batch()
    operator.fit(STATISTICS, [])
    operator.bind([replace(darcy, equation=Darcy(("contrast",)))])
    operator.eval()
    assert operator.square.num_symmetries.tolist() == [8]
    image = moved(batch, operator.square, torch.arange(8))
    with torch.no_grad():
        one, other = (operator(b.inputs, b.coefficients, b.dataset) for b in (batch, image))
    expected = operator.square.move_outputs(one, batch.dataset, torch.arange(8))
    torch.testing.assert_close(other, expected, rtol=1e-4, atol=1e-6)
    augmented = Augmentations(["square"], operator.problems, operator.data_names)(
        batch, seed=0, step=0
    )
    assert torch.equal(augmented.coefficients, batch.coefficients)
    sums = [b.inputs.double().sum((2, 3)) for b in (augmented, batch)]
    torch.testing.assert_close(*sums)
    assert not torch.equal(augmented.inputs, batch.inputs)
    with pytest.raises(InputError, match="superposition is for linear equations, that of darcy_sm"):
        Augmentations(["superposition"], operator.problems, operator.data_names)


def test_all_evolutions_that_scale_are_tested():
    assert {n for n, e in EVOLUTION_EQUATIONS.items() if e.scales} == set(EVOLVING) <= set(CASES)
