"""Energies in rings of |k|, on any rectangle."""

import numpy as np
import pytest

from lightning_sciml.pde.grid import Grid
from lightning_sciml.shards.spectra import ring_energies

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("boundary", [("periodic", "periodic"), ("wall", "periodic")])
def test_energies_add_up_to_the_mean_square(boundary):
    grid = Grid(shape=(12, 20), lengths=(1.0, 3.0), boundary=boundary)
    fields = RNG.standard_normal((2, 3, 12, 20))
    energies = ring_energies(fields, grid)
    np.testing.assert_allclose(energies.sum(-1), (fields**2).mean((-2, -1)), rtol=1e-13)


def test_energy_of_a_wave_lies_in_its_ring_of_a_rectangle():
    grid = Grid(shape=(16, 48), lengths=(1.0, 3.0))
    y, x = grid.coordinates()
    wave = np.cos(2 * np.pi * (9 * x[None, :] - 4 * y[:, None]))  # |k| = 5 · 2π, ring 5 · 3
    np.testing.assert_allclose(ring_energies(wave, grid)[15], 0.5, atol=1e-14)


def test_energy_of_a_cosine_between_walls_lies_in_its_ring():
    grid = Grid(shape=(16, 32), boundary=("neumann", "periodic"))
    y, x = grid.coordinates()
    wave = np.cos(6 * np.pi * y)[:, None] * np.cos(2 * np.pi * 4 * x)  # |k| = 5 · 2π
    np.testing.assert_allclose(ring_energies(wave, grid)[5], 0.25, atol=1e-14)


def test_energy_of_a_sine_between_walls_lies_in_its_ring_where_it_is_known_to_vanish():
    grid = Grid(shape=(16, 32), boundary=("dirichlet", "periodic"))
    y, x = grid.coordinates()
    wave = np.sin(6 * np.pi * y)[:, None] * np.cos(2 * np.pi * 4 * x)  # |k| = 5 · 2π
    np.testing.assert_allclose(ring_energies(wave, grid, meets_boundary=True)[5], 0.25, atol=1e-14)
    assert ring_energies(wave, grid)[5] < 0.24  # |sin| has kinks
