from itertools import product

import numpy as np
import pytest

from data_gen.coefficients import (
    AdvectionDiffusionCoefficients,
    HelmholtzCoefficients,
    PoissonCoefficients,
)
from data_gen.configuration import DatasetConfig
from data_gen.decomposition import ShardTask
from data_gen.generation import InaccurateSolutionError, SampleGenerator
from data_gen.sources import GaussianSources
from lightning_sciml.errors import InputError
from lightning_sciml.pde.grid import PeriodicGrid

SYSTEMS = [
    PoissonCoefficients(eigenvalue=(1.0, 5.0)),
    AdvectionDiffusionCoefficients(advection_diffusion_ratio=(0.2, 1.0)),
    HelmholtzCoefficients(omega=(1, 10)),
    HelmholtzCoefficients(omega=(3, 5), resample="source"),
]
BETWEEN_WALLS = [
    PoissonCoefficients(eigenvalue=(2.0, 5.0)),
    HelmholtzCoefficients(omega=(1, 10)),
    HelmholtzCoefficients(omega=(-4, -1)),
]
WITH_WALLS = [
    *((coefficients, "periodic") for coefficients in SYSTEMS),
    *product(BETWEEN_WALLS, ("dirichlet", "neumann")),
]


def generator(coefficients, **options):
    options = {"num_points": 64, **options}
    return SampleGenerator(DatasetConfig(name="test", coefficients=coefficients, **options))


def shard(coefficients, first_index=0, num_samples=64, **options):
    task = ShardTask(0, "train", first_index, num_samples)
    return generator(coefficients, **options).shard(task)


@pytest.mark.parametrize(("coefficients", "boundary"), WITH_WALLS)
def test_bits_of_a_sample_do_not_depend_on_the_samples_made_with_it(
    coefficients, boundary, monkeypatch
):
    whole = shard(coefficients, 0, 40, boundary=boundary).datasets
    for block_size in (1, 7, 16):
        monkeypatch.setattr("data_gen.generation.BLOCK_SIZE", block_size)
        part = shard(coefficients, 13, 20, boundary=boundary).datasets
        assert part.keys() == whole.keys()
        for name in whole:
            assert part[name].tobytes() == whole[name][13:33].tobytes(), name


@pytest.mark.parametrize("coefficients", SYSTEMS)
def test_residual_is_what_truncation_leaves_and_round_off_when_all_modes_are_kept(coefficients):
    truncated = shard(coefficients).max_residual
    assert 1e-8 < truncated < 1e-6
    # ε max|L| ‖u‖/‖f‖ is some 1e-12 here
    assert shard(coefficients, num_modes=32).max_residual < 1e-11
    wrapped = GaussianSources(periodic=True)
    assert shard(coefficients, source=wrapped, num_points=128, num_modes=40).max_residual < 1e-10


@pytest.mark.parametrize("coefficients", SYSTEMS)
def test_stored_fields_satisfy_the_equation_with_the_stored_coefficients(coefficients):
    """Solve by a full transform: the error is the rounding of u to float32, 6e-8, times max|L|."""
    made = shard(coefficients).datasets
    source, solution = made["fields"].astype(float).transpose(1, 0, 2, 3)
    waves = PeriodicGrid(64).wavenumbers
    symbol = coefficients.equation.symbol(made["coefficients"], waves)
    residual = np.fft.irfft2(symbol * np.fft.rfft2(solution)) - source
    rounding = 2.0**-24 * np.abs(symbol).max(axis=(1, 2)) * np.linalg.norm(solution, axis=(1, 2))
    bound = rounding + 1e-6 * np.linalg.norm(source, axis=(1, 2))
    assert (np.linalg.norm(residual, axis=(1, 2)) < bound).all()


@pytest.mark.parametrize("coefficients", SYSTEMS)
def test_stored_norms_are_those_of_the_fields(coefficients):
    made = shard(coefficients).datasets
    source, solution = made["fields"].astype(float).transpose(1, 0, 2, 3)
    expected = [
        np.sqrt((source**2).mean(axis=(1, 2))),
        np.sqrt((solution**2).mean(axis=(1, 2))),
        source.mean(axis=(1, 2)),
        solution.mean(axis=(1, 2)),
        np.abs(solution).max(axis=(1, 2)),
    ]
    np.testing.assert_allclose(made["norms"], np.stack(expected, axis=1), rtol=1e-6, atol=1e-8)
    if coefficients.equation.fixes_mean:
        np.testing.assert_allclose(made["norms"][:, 2:4], 0, atol=1e-15)


@pytest.mark.parametrize("boundary", ["periodic", "dirichlet"])
def test_wrong_solution_stops_generation_and_names_the_sample(boundary, monkeypatch):
    made = generator(PoissonCoefficients(eigenvalue=(1.0, 5.0)), boundary=boundary)
    parities = made.transform.parities

    def spoil_the_last(u_hat):
        u = parities(u_hat)
        u.odd[-1, 3, 5] += 1e-6
        return u

    monkeypatch.setattr(made.transform, "parities", spoil_the_last)
    with pytest.raises(InaccurateSolutionError, match="train sample 25 has the residual"):
        made.shard(ShardTask(0, "train", 10, 16))


def test_a_residual_that_is_no_number_is_no_small_one(monkeypatch):
    made = generator(PoissonCoefficients(eigenvalue=(1.0, 5.0)))
    monkeypatch.setattr(made.projection, "error_energy", lambda u, u_hat: [np.nan] * len(u_hat))
    with pytest.raises(InaccurateSolutionError, match="train sample 10 has the residual nan"):
        made.shard(ShardTask(0, "train", 10, 2))


def test_resonance_is_noticed():
    """ω = κ|k|² exactly: no solution exists, and none is written."""
    resonant = HelmholtzCoefficients(omega=(1, 1), diffusivity=1 / (4 * np.pi**2))
    with pytest.raises(InputError, match="omega = 1 is a resonance"):
        generator(resonant)


def test_rejected_draws_are_repeated_and_counted():
    made = shard(HelmholtzCoefficients(omega=(4, 4)), num_samples=100)
    assert made.datasets["norms"][:, -1].max() <= 2
    assert made.datasets["attempt"].sum() == made.num_rejected
    # 39–42 % of the draws with omega = 4 have max|u| ≤ 2
    assert 0.3 < 100 / (100 + made.num_rejected) < 0.55


def test_resampling_the_source_keeps_omega_uniform_and_resampling_all_does_not():
    """Half of the draws have ω = 4, of which two fifths are accepted: 2/7 of the samples."""
    share = {
        resample: (
            shard(HelmholtzCoefficients(omega=(3, 4), resample=resample), num_samples=400)
            .datasets["coefficients"][:, 0]
            .mean()
            - 3
        )
        for resample in ("all", "source")
    }
    assert abs(share["source"] - 1 / 2) < 5 * np.sqrt(0.25 / 400)
    assert abs(share["all"] - 2 / 7) < 5 * np.sqrt(0.25 / 400)


def test_sample_that_is_never_accepted_is_named(monkeypatch):
    monkeypatch.setattr("data_gen.rejections.MAX_ATTEMPTS", 3)
    rare = HelmholtzCoefficients(omega=(3, 3), max_solution=0.05)
    with pytest.raises(InputError, match="train sample 5 was rejected: of 12 draws the smallest"):
        shard(rare, 5, 4)
