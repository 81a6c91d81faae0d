"""Sets of Poisson and Helmholtz between walls: what is drawn, solved, checked and rejected."""

import shutil

import numpy as np
import pytest
from edited_shards import edit_with_checksum, norms_of
from generated_sets import run, shard_bytes
from tiny_generation import SMALL, generated

from data_gen.coefficients import (
    AdvectionDiffusionCoefficients,
    HelmholtzCoefficients,
    PoissonCoefficients,
)
from data_gen.configuration import DatasetConfig
from data_gen.decomposition import ShardTask
from data_gen.generation import SampleGenerator
from data_gen.sources import GaussianSources
from lightning_sciml.errors import InputError
from lightning_sciml.pde.residual import check_solution
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.shards.verification import verify_dataset

WALLS = ("dirichlet", "neumann")
POISSON = PoissonCoefficients(eigenvalue=(2.0, 5.0))
SYSTEMS = (POISSON, HelmholtzCoefficients(omega=(1, 10)), HelmholtzCoefficients(omega=(-4, -1)))
CONFIGS = ("poisson_dirichlet_1_5", "helmholtz_neumann_1_10")


def generator(coefficients, walls, **options):
    options = {"num_points": 64, "boundary": walls, **options}
    return SampleGenerator(DatasetConfig(name="test", coefficients=coefficients, **options))


def shard(coefficients, walls, first_index=0, num_samples=40, **options):
    task = ShardTask(0, "train", first_index, num_samples)
    return generator(coefficients, walls, **options).shard(task)


@pytest.mark.parametrize("walls", WALLS)
@pytest.mark.parametrize("coefficients", SYSTEMS)
def test_residual_is_what_truncation_leaves_and_round_off_when_all_modes_are_kept(
    coefficients, walls
):
    assert 1e-8 < shard(coefficients, walls).max_residual < 1e-6
    # ε max|L| ‖u‖/‖f‖ is some 1e-12 here
    num_modes = 64 if walls == "dirichlet" else 63
    assert shard(coefficients, walls, num_modes=num_modes).max_residual < 3e-11


@pytest.mark.parametrize("walls", WALLS)
@pytest.mark.parametrize("coefficients", SYSTEMS)
def test_stored_fields_solve_the_equation_and_their_norms_are_stored(coefficients, walls):
    made = shard(coefficients, walls).datasets
    equation, boundary = coefficients.equation, (walls, walls)
    for fields, c in zip(made["fields"], made["coefficients"], strict=True):
        check = check_solution(fields, c, equation, boundary)
        assert check.is_checkable
        assert not check.is_wrong
    source, solution = made["fields"].astype(float).transpose(1, 0, 2, 3)
    expected = [
        np.sqrt((source**2).mean(axis=(1, 2))),
        np.sqrt((solution**2).mean(axis=(1, 2))),
        source.mean(axis=(1, 2)),
        solution.mean(axis=(1, 2)),
        np.abs(solution).max(axis=(1, 2)),
    ]
    np.testing.assert_allclose(made["norms"], np.stack(expected, axis=1), rtol=1e-6, atol=1e-8)
    means = np.abs(made["norms"][:, 2:4])
    assert (means.max() < 1e-15) == (walls == "neumann" and coefficients is POISSON)


@pytest.mark.parametrize("walls", WALLS)
def test_diffusion_is_along_the_axes_and_each_of_them_is_the_strong_one_half_of_the_time(walls):
    k11, k22, k12 = shard(POISSON, walls, num_samples=400).datasets["coefficients"].T
    assert not k12.any()
    np.testing.assert_allclose(np.minimum(k11, k22), 0.01, rtol=1e-15)
    strong = np.maximum(k11, k22) / 0.01
    assert (strong.min(), strong.max()) == (pytest.approx(2, abs=0.1), pytest.approx(5, abs=0.1))
    assert abs((k11 > k22).mean() - 1 / 2) < 5 * np.sqrt(0.25 / 400)


@pytest.mark.parametrize(
    ("walls", "omega", "diffusivity", "is_resonant"),
    [
        ("dirichlet", 2, 1 / np.pi**2, True),  # m = n = 1
        ("neumann", 2, 1 / np.pi**2, True),
        ("dirichlet", 1, 1 / np.pi**2, False),  # sines have no m = 0
        ("neumann", 1, 1 / np.pi**2, True),
        ("dirichlet", 0, 0.01, False),  # Poisson
        ("neumann", 0, 0.01, True),
        ("periodic", 2, 1 / np.pi**2, False),
        ("periodic", 4, 1 / np.pi**2, True),
    ],
)
def test_resonances_are_those_of_the_walls(walls, omega, diffusivity, is_resonant):
    resonant = HelmholtzCoefficients(omega=(omega, omega), diffusivity=diffusivity)
    if is_resonant:
        with pytest.raises(InputError, match=f"omega = {omega} is a resonance"):
            generator(resonant, walls)
    else:
        generator(resonant, walls)


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (
            {"coefficients": AdvectionDiffusionCoefficients(advection_diffusion_ratio=(0.2, 1.0))},
            "coefficients must be those of Poisson or Helmholtz, whose derivatives are even, with",
        ),
        ({"decomposition": "slab"}, "decomposition must be shards with"),
        ({"source": GaussianSources(periodic=True)}, "source.periodic must be false with"),
    ],
)
def test_what_there_is_on_periodic_grids_only_is_rejected(options, wanted):
    options = {"coefficients": POISSON, **options}
    for walls in WALLS:
        with pytest.raises(InputError, match=f"{wanted} boundary {walls}; set boundary to peri"):
            DatasetConfig(name="test", boundary=walls, **options)


def test_coefficients_that_mix_sines_with_cosines_are_rejected(monkeypatch):
    def with_mixed(self, uniforms, source):
        return self.diffusion_tensor(uniforms)

    monkeypatch.setattr(PoissonCoefficients, "draw", with_mixed)
    with pytest.raises(InputError, match="PoissonCoefficients draws mixed or odd derivatives"):
        shard(POISSON, "neumann")


def test_sources_at_walls_with_u_0_need_more_modes(tmp_path):
    """Gaussians that do not vanish there jump in the series of sines."""
    wide = {"source.spacing": 0.09}
    status, lines = generated(tmp_path, CONFIGS[0], num_points=64, **wide)
    assert status == 2
    assert "of a Gaussian's energy, more than 1e-10; raise num_modes" in lines[-1]
    assert generated(tmp_path, CONFIGS[0], num_points=64, num_modes=64, **wide)[0] == 0


@pytest.mark.mpi
def test_ranks_do_not_change_a_byte(tmp_path):
    name = "helmholtz_neumann_1_10"
    assert generated(tmp_path / "one", name)[0] == 0
    assert run(tmp_path / "three", name, 3, **SMALL).returncode == 0
    assert shard_bytes(tmp_path / "one") == shard_bytes(tmp_path / "three")


@pytest.mark.parametrize("name", CONFIGS)
def test_sets_are_verified_kept_and_not_those_of_another_boundary(tmp_path, name):
    walls, whole = name.split("_")[1], tmp_path / "whole"
    assert generated(whole, name)[0] == 0
    manifest = Manifest.load(whole)
    assert (manifest.name, manifest.grid.boundary) == (name, (walls, walls))
    assert verify_dataset(whole) == []
    resumed, other = (shutil.copytree(whole, tmp_path / copy) for copy in ("resumed", "other"))
    first = min(shard_bytes(whole))
    (resumed / first).unlink()
    assert generated(resumed, name)[0] == 0
    assert shard_bytes(resumed) == shard_bytes(whole)
    status, (line,) = generated(other, name, boundary="periodic")
    assert status == 2
    assert f"grid.boundary is ['{walls}', '{walls}'], asked ['periodic', 'periodic']" in line
    edit_with_checksum(whole, first, edited)
    *_, fault = verify_dataset(whole)
    assert "differs from the solution in float64 by" in fault


def edited(arrays):
    arrays["fields"][0, 1, 5, 3:6] *= 1.05
    arrays["norms"] = norms_of(arrays)
