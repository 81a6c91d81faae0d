"""Normalisation: what is exact under scaling of the equation, and the range of what is seen."""

import numpy as np
import pytest
import torch

from lightning_sciml.operators.dimensionless_normalization import DimensionlessNormalization
from lightning_sciml.operators.median_normalization import PaperNormalization
from lightning_sciml.operators.network_contract import ChannelNames
from lightning_sciml.operators.problem import Problem
from lightning_sciml.operators.standard_normalization import StandardNormalization
from lightning_sciml.pde.grid import Grid
from lightning_sciml.pde.steady import Poisson
from lightning_sciml.streaming.training_statistics import TrainingStatistics

NAMES = ChannelNames(("source",), ("k11", "k22", "k12"))
FIRST = torch.zeros(7, dtype=torch.long)  # all samples are of the first problem
POISSON = Problem(
    name="poisson",
    equation=Poisson(),
    grid=Grid(shape=(16, 16)),
    columns=(0, 1, 2),
    input_fields=("source",),
    output_fields=("solution",),
)


@pytest.fixture
def problems():
    generator = torch.Generator().manual_seed(0)
    source = torch.rand(7, 1, 16, 16, generator=generator)
    coefficients = torch.rand(7, 3, generator=generator) - 0.3
    return source, coefficients


def flat(normalized):
    """Fields, coefficients, and the factor from the network's output to u."""
    fields, coefficients, answer = normalized
    return fields, coefficients, answer.scale


def fitted(source, coefficients) -> PaperNormalization:
    normalization = PaperNormalization(NAMES)
    norms = source.square().mean(dim=(1, 2, 3)).sqrt()
    medians = np.median(np.abs(coefficients.numpy()), axis=0)
    normalization.fit(
        TrainingStatistics(
            field_norms={"source": float(norms.median())},
            coefficients=dict(zip(NAMES.coefficients, map(float, medians), strict=True)),
            scaled_coefficients={},
        )
    )
    return normalization


def test_scaling_both_sides_of_the_equation_changes_nothing(problems):
    source, coefficients = problems
    normalization = fitted(source, coefficients)
    inputs = normalization(source, coefficients, FIRST)
    moved = normalization(3 * source, 3 * coefficients, FIRST)
    for scaled, original in zip(flat(moved), flat(inputs), strict=True):
        torch.testing.assert_close(scaled, original)


def test_every_source_has_the_median_norm_and_coefficients_have_unit_median(problems):
    source, coefficients = problems
    f, c, answer = fitted(source, coefficients)(source, coefficients, FIRST)
    norms = source.square().mean(dim=(1, 2, 3)).sqrt()
    torch.testing.assert_close(f.square().mean(dim=(1, 2, 3)).sqrt(), norms.median().expand(7))
    unscaled = c * (norms / norms.median())[:, None]
    torch.testing.assert_close(
        unscaled.abs().median(dim=0).values, torch.ones(3), rtol=1e-6, atol=0
    )
    assert torch.all(answer.scale == 1)


def test_channels_the_data_lacks_keep_the_scale_one():
    normalization = PaperNormalization(ChannelNames(("source",), ("k11", "omega")))
    normalization.fit(
        TrainingStatistics(
            field_norms={"source": 2.0}, coefficients={"omega": 4.0}, scaled_coefficients={}
        )
    )
    assert normalization.median_coefficients.tolist() == [1.0, 4.0]


def test_the_medians_travel_in_the_state(problems):
    source, coefficients = problems
    normalization, restored = (
        fitted(source, coefficients),
        PaperNormalization(NAMES),
    )
    restored.load_state_dict(normalization.state_dict())
    for one, other in zip(
        flat(restored(source, coefficients, FIRST)),
        flat(normalization(source, coefficients, FIRST)),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_a_dimensionless_problem_is_that_of_any_multiple_and_the_factor_is_exact(problems):
    """Powers of two scale floating-point numbers without rounding: equality is bit by bit."""
    source, coefficients = problems
    coefficients[:, :2] = coefficients[:, :2].abs() + 1  # K is positive definite
    scale = Poisson().operator_scale(coefficients)
    normalization = DimensionlessNormalization(NAMES)
    normalization.bind([POISSON])
    medians = {"k11": 0.7, "k22": 0.9, "k12": 0.2}
    normalization.fit(
        TrainingStatistics(field_norms={}, coefficients={}, scaled_coefficients=medians)
    )
    f, c, factor = flat(normalization(source, coefficients, FIRST))
    moved_f, moved_c, moved_factor = flat(normalization(8 * source, 4 * coefficients, FIRST))
    assert torch.equal(moved_f, f)
    assert torch.equal(moved_c, c)
    assert torch.equal(moved_factor, 2 * factor)
    torch.testing.assert_close(f.square().mean(dim=(1, 2, 3)), torch.ones(7))
    torch.testing.assert_close(
        c * torch.tensor([0.7, 0.9, 0.2]) * scale[:, None], coefficients, rtol=1e-5, atol=0
    )


FLOW = ChannelNames(("height", "u@-1", "u", "y"), ("nu",), ("u", "height"))
MOMENTS = {"u": (3.0, 0.5), "height": (-2.0, 4.0)}


def standard(moments) -> StandardNormalization:
    normalization = StandardNormalization(FLOW)
    normalization.fit(
        TrainingStatistics(
            field_norms={},
            coefficients={"nu": 2.0},
            scaled_coefficients={},
            field_means={name: mean for name, (mean, _) in moments.items()},
            field_stds={name: std for name, (_, std) in moments.items()},
        )
    )
    return normalization


def test_standard_inputs_have_mean_zero_and_deviation_one():
    """All states of a field have its moments; the coordinate y has none, and stays."""
    generator = torch.Generator().manual_seed(0)
    fields = torch.randn(5, 4, 16, 16, generator=generator)
    fields = (fields - fields.mean((0, 2, 3), keepdim=True)) / fields.std((0, 2, 3), keepdim=True)
    means, stds = (
        torch.tensor([MOMENTS.get(name, (0.0, 1.0))[i] for name in ("height", "u", "u", "y")])
        for i in (0, 1)
    )
    given = means[:, None, None] + stds[:, None, None] * fields
    seen, c, answer = standard(MOMENTS)(given, torch.full((5, 1), 3.0), FIRST[:5])
    torch.testing.assert_close(seen, fields, rtol=1e-5, atol=1e-5)
    assert (c == 1.5).all()
    outputs = given[:, [2, 0]]
    torch.testing.assert_close(answer.network_output(outputs), fields[:, [2, 0]], atol=1e-5, rtol=0)
    torch.testing.assert_close(answer.fields(answer.network_output(outputs)), outputs)


def test_a_field_in_other_units_is_the_same_to_the_network_and_comes_back_in_them():
    """u ↦ au + b, for powers of two without rounding; the network's output is left as it is."""
    generator = torch.Generator().manual_seed(0)
    fields = torch.randint(-8, 8, (3, 4, 8, 8), generator=generator) / 4
    output = torch.randint(-8, 8, (3, 2, 8, 8), generator=generator) / 4
    a, b = 4.0, 16.0
    other = {"u": (a * MOMENTS["u"][0] + b, a * MOMENTS["u"][1]), "height": MOMENTS["height"]}
    rescaled = fields.clone()
    rescaled[:, [1, 2]] = a * fields[:, [1, 2]] + b
    numbers = torch.ones(3, 1)
    seen, _, answer = standard(MOMENTS)(fields, numbers, FIRST[:3])
    seen_too, _, answer_too = standard(other)(rescaled, numbers, FIRST[:3])
    assert torch.equal(seen_too, seen)
    expected = answer.fields(output)
    expected[:, 0] = a * expected[:, 0] + b
    assert torch.equal(answer_too.fields(output), expected)


def test_a_constant_field_keeps_the_scale_one():
    normalization = standard({"u": (3.0, 1e-7), "height": (0.0, 0.0)})
    assert normalization.field_stds.tolist() == [1, 1, 1, 1]
    assert normalization.output_means.tolist() == [3, 0]
