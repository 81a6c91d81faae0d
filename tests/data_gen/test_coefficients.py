import numpy as np
import pytest

from data_gen.coefficients import (
    AdvectionDiffusionCoefficients,
    HelmholtzCoefficients,
    PoissonCoefficients,
)
from data_gen.random_numbers import sample_uniforms
from data_gen.sources import GaussianSources, SeparableSources
from data_gen.spectral_solver import SpectralSolver
from data_gen.truncated_transform import TruncatedTransform
from lightning_sciml.errors import InputError
from lightning_sciml.pde.grid import PeriodicGrid
from lightning_sciml.pde.steady import AdvectionDiffusion


def uniforms(indices, seed=0, split="train", attempt=0, count=10):
    return sample_uniforms(seed, split, np.array(indices), attempt=attempt, count=count)


def test_numbers_of_a_sample_do_not_depend_on_its_company():
    together = uniforms([3, 4, 5, 9, 2])
    for row, index in enumerate([3, 4, 5, 9, 2]):
        np.testing.assert_array_equal(together[row], uniforms([index])[0])


def test_numbers_differ_by_seed_split_index_and_attempt():
    streams = [
        uniforms([0, 1]),
        uniforms([0, 1], seed=1),
        uniforms([0, 1], split="val"),
        uniforms([0, 1], attempt=1),
    ]
    values = np.concatenate(streams).ravel()
    assert len(np.unique(values)) == values.size


def test_numbers_are_uniform():
    values = uniforms(np.arange(10_000)).ravel()
    assert values.min() >= 0
    assert values.max() < 1
    counts = np.histogram(values, 100, (0, 1))[0]
    chi_squared = ((counts - 1000) ** 2 / 1000).sum()
    assert abs(chi_squared - 99) < 5 * np.sqrt(2 * 99)


def test_diffusion_tensor_has_the_eigenvalues_asked_for():
    coefficients = PoissonCoefficients(eigenvalue=(2.5, 7.5))
    k11, k22, k12 = _draw(coefficients, 500)[0].T
    tensors = np.array([[k11, k12], [k12, k22]]).transpose(2, 0, 1)
    eigenvalues = np.linalg.eigvalsh(tensors)
    np.testing.assert_allclose(eigenvalues[:, 0], 0.01, rtol=1e-13)
    assert 0.025 <= eigenvalues[:, 1].min() < 0.026
    assert 0.074 < eigenvalues[:, 1].max() <= 0.075


def test_omega_takes_every_integer_of_its_range_both_ends_included():
    omega = _draw(HelmholtzCoefficients(omega=(2, 5)), 4000)[0][:, 0]
    values, counts = np.unique(omega, return_counts=True)
    np.testing.assert_array_equal(values, [2, 3, 4, 5])
    assert np.abs(counts / 4000 - 0.25).max() < 5 * np.sqrt(0.25 * 0.75 / 4000)


@pytest.mark.parametrize("target", [(0.2, 1.0), (1.0, 2.0), (2.0, 5.0), (5.0, 20.0)])
def test_advection_diffusion_ratio_of_the_solution_is_the_target(target):
    """Measured on the solution with the operators of the equation, to 1e-12 of the drawn Ψ."""
    coefficients, source, transform, numbers = _draw(
        AdvectionDiffusionCoefficients(advection_diffusion_ratio=target), 64
    )
    solver = SpectralSolver(AdvectionDiffusion(), transform)
    u = transform.inverse(source.f_hat / solver.symbol(coefficients))
    u_hat = transform.forward(u)
    diffusion_only, advection_only = coefficients.copy(), coefficients.copy()
    diffusion_only[:, 3:] = 0
    advection_only[:, :3] = 0
    diffusion = transform.inverse(_apply(diffusion_only, u_hat, transform))
    advection = transform.inverse(_apply(advection_only, u_hat, transform))
    ratio = np.linalg.norm(advection, axis=(1, 2)) / np.linalg.norm(diffusion, axis=(1, 2))
    low, high = target
    np.testing.assert_allclose(ratio, low + (high - low) * numbers[:, 3], rtol=1e-12)
    speed = np.linalg.norm(coefficients[:, 3:], axis=1)
    smallest_eigenvalue = (1 - speed) * 0.01
    tensors = coefficients[:, [0, 2, 2, 1]].reshape(-1, 2, 2)
    found = np.linalg.eigvalsh(tensors)[:, 0]
    np.testing.assert_allclose(found, smallest_eigenvalue, rtol=1e-9)


def test_ratio_from_the_table_meets_its_target_on_average_and_scatters():
    """Scatter as much as the published data: for Ψ in (0.2, 1) some 15 % of samples lie outside."""
    drawn = AdvectionDiffusionCoefficients(advection_diffusion_ratio=(0.2, 1.0), ratio="table")
    coefficients, source, transform, numbers = _draw(drawn, 2000)
    solver = SpectralSolver(AdvectionDiffusion(), transform)
    u_hat = source.f_hat / solver.symbol(coefficients)
    symbol = AdvectionDiffusion().symbol(coefficients, transform.wavenumbers)
    ratio = drawn.measured(symbol, u_hat, transform)["advection_diffusion_ratio"]
    target = 0.2 + 0.8 * numbers[:, 3]
    assert abs((ratio / target).mean() - 1) < 0.02
    assert 0.10 < ((ratio < 0.2) | (ratio > 1)).mean() < 0.20


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PoissonCoefficients(eigenvalue=(5.0, 1.0)), "low ≤ high, got"),
        (lambda: PoissonCoefficients(eigenvalue=(0.0, 1.0)), "eigenvalue must be positive"),
        (lambda: PoissonCoefficients(eigenvalue=(-1.0, 1.0)), "not elliptic"),
        (lambda: PoissonCoefficients(eigenvalue=(1.0, np.inf)), "low ≤ high"),
        (lambda: PoissonCoefficients(eigenvalue=(1.0, 5.0), diffusivity=0.0), "diffusivity"),
        (
            lambda: AdvectionDiffusionCoefficients(advection_diffusion_ratio=(0.0, 1.0)),
            "advection_diffusion_ratio must be positive",
        ),
        (
            lambda: AdvectionDiffusionCoefficients(advection_diffusion_ratio=(1.0, 100.0)),
            "got 1.0, 100.0: .* cannot be reached",
        ),
        (lambda: HelmholtzCoefficients(omega=(10, 1)), "omega must be a range"),
        (lambda: HelmholtzCoefficients(omega=(1, 2), max_solution=0.0), "max_solution"),
    ],
)
def test_invalid_coefficients_are_rejected_in_one_line(make, message):
    with pytest.raises(InputError, match=message) as rejection:
        make()
    assert "\n" not in str(rejection.value)


def _draw(coefficients, num_samples):
    transform = TruncatedTransform(PeriodicGrid(64), 31)
    sources = GaussianSources()
    numbers = uniforms(np.arange(num_samples), count=4 + sources.num_uniforms)
    evaluate = SeparableSources(sources, transform, zero_mean=True).evaluate
    source = evaluate(sources.amplitudes(numbers[:, 4:]), out=np.empty((num_samples, 64, 64)))
    return coefficients.draw(numbers, source), source, transform, numbers


def _apply(coefficients, u_hat, transform):
    return AdvectionDiffusion().symbol(coefficients, transform.wavenumbers) * u_hat
