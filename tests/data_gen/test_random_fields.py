"""Gaussian random fields and diffusivities: one function on all grids, of known covariance."""

import numpy as np
import pytest

from data_gen.diffusivities import LogNormalDiffusivity, TwoPhaseDiffusivity
from data_gen.random_fields import GaussianRandomField
from data_gen.random_numbers import sample_uniforms
from lightning_sciml.errors import InputError
from lightning_sciml.pde.grid import Grid

WALLS = ("dirichlet", "neumann", "periodic")


def grid(num_points, walls):
    return Grid(shape=(num_points, num_points), boundary=(walls, walls))


def uniforms(drawn, num_samples):
    numbers = np.arange(num_samples)
    return sample_uniforms(0, "train", numbers, attempt=0, count=drawn.num_uniforms)


def field(num_points, walls, num_samples=2, **options):
    drawn, on = GaussianRandomField(**{"num_modes": 8, **options}), grid(num_points, walls)
    return drawn.draw(uniforms(drawn, num_samples), on)


@pytest.mark.parametrize("covariance", WALLS)
def test_field_is_the_same_function_on_every_grid(covariance):
    walls = "periodic" if covariance == "periodic" else "neumann"
    coarse = field(9, walls, covariance=covariance).values
    fine = field(27, walls, covariance=covariance).values
    kept = slice(0, None, 3) if walls == "periodic" else slice(1, None, 3)  # the same places
    np.testing.assert_allclose(fine[:, kept, kept], coarse, atol=1e-12)


@pytest.mark.parametrize("covariance", WALLS)
def test_energies_of_modes_are_those_of_the_covariance(covariance):
    # the mean square of N samples' modes has a relative deviation of √(2/N)
    N, num_samples, length, alpha = 16, 4000, 0.3, 2.5
    options = {"correlation_length": (length, length), "smoothness": (alpha, alpha)}
    walls = "periodic" if covariance == "periodic" else "neumann"
    values = field(N, walls, num_samples, covariance=covariance, **options).values
    x = grid(N, walls).coordinates()[0]
    assert (values**2).mean() == pytest.approx(1.0, abs=0.05)
    of_wave = {
        "periodic": lambda m: (np.sqrt(2) * np.sin(2 * np.pi * m * x), 2 * np.pi * m),
        "neumann": lambda m: (np.sqrt(2) * np.cos(np.pi * m * x), np.pi * m),
        "dirichlet": lambda m: (np.sqrt(2) * np.sin(np.pi * m * x), np.pi * m),
    }[covariance]

    def energy(m, n):
        (wave, k), (other, q) = of_wave(m), of_wave(n)
        found = (((wave / N) @ values @ (other / N)) ** 2).mean()
        return found * (k**2 + q**2 + length**-2) ** alpha

    assert energy(1, 2) == pytest.approx(energy(1, 1), rel=0.15)
    assert energy(3, 2) == pytest.approx(energy(1, 1), rel=0.15)


def test_constant_mode_is_left_out():
    np.testing.assert_allclose(field(16, "neumann").values.mean(axis=(1, 2)), 0, atol=1e-12)
    np.testing.assert_allclose(field(16, "periodic").values.mean(axis=(1, 2)), 0, atol=1e-12)


def test_ranges_are_drawn_for_each_sample():
    drawn = field(8, "neumann", 500, correlation_length=(0.01, 1.0), smoothness=(2, 3)).drawn
    # log-uniform between 0.01 and 1: half of the samples lie below 0.1
    assert np.median(drawn["correlation_length"]) == pytest.approx(0.1, rel=0.3)
    assert drawn["smoothness"].mean() == pytest.approx(2.5, abs=0.05)
    assert drawn["correlation_length"].min() >= 0.01


def diffusivities(kind, **options):
    kind, on = kind(field=GaussianRandomField(num_modes=8), **options), grid(16, "dirichlet")
    return kind.draw(uniforms(kind, 400), on)


def test_two_phases_have_the_contrast_and_equal_shares():
    a, _ = diffusivities(TwoPhaseDiffusivity, low=3.0, contrast=(4.0, 4.0))
    assert set(np.unique(a)) == {3.0, 12.0}
    assert (a == 12).mean() == pytest.approx(0.5, abs=0.05)


def test_logarithm_of_a_log_normal_medium_has_a_quarter_of_that_of_the_contrast():
    a, _ = diffusivities(LogNormalDiffusivity, median=2.0, contrast=(50.0, 50.0))
    assert np.sqrt((np.log(a / 2) ** 2).mean()) == pytest.approx(np.log(50) / 4, rel=0.05)


def test_contrast_of_each_sample_is_that_drawn():
    a, drawn = diffusivities(TwoPhaseDiffusivity, contrast=(2.0, 9.0))
    np.testing.assert_allclose(a.max(axis=(1, 2)) / a.min(axis=(1, 2)), drawn["contrast"])
    assert np.median(drawn["contrast"]) == pytest.approx(np.sqrt(18), rel=0.1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TwoPhaseDiffusivity(contrast=(0.5, 4)), r"contrast .* at least 1, got \[0.5, 4\]"),
        (lambda: TwoPhaseDiffusivity(contrast=(9, 4)), r"contrast must be a range"),
        (lambda: TwoPhaseDiffusivity(low=0.0), r"diffusivity.low must lie"),
        (lambda: LogNormalDiffusivity(median=np.nan), r"diffusivity.median must lie"),
        (lambda: GaussianRandomField(correlation_length=(0, 1)), r"correlation_length must be"),
        (lambda: GaussianRandomField(smoothness=(0.5, 2)), r"smoothness must lie"),
        (lambda: GaussianRandomField(num_modes=1), r"num_modes must lie in 2"),
        (
            lambda: GaussianRandomField().check_grid(grid(63, "neumann")),
            r"num_modes=64 .*=63",
        ),
    ],
)
def test_invalid_ranges_are_rejected(make, message):
    with pytest.raises(InputError, match=message):
        make()
