"""What solvers at lower cost come to: the data set itself, the order of the step, and no crash."""

import numpy as np
import pytest
from tiny_generation import generated

from data_gen.kept_modes import KeptModes
from data_gen.solver_cost import solver_of
from data_gen.solver_variants import mean_relative_l2
from data_gen.steady_cost import interpolation, means
from lightning_sciml.errors import InputError
from lightning_sciml.pde.grid import Grid

SAMPLES = np.arange(2)
FROM_FIRST = np.tile([0, 1, 2], (2, 1))
ULP = 2.0**-24


@pytest.fixture(scope="module")
def burgers(tmp_path_factory):
    """Two trajectories of three states, on 16 points, the step of which is 1/16 of an interval."""
    folder = tmp_path_factory.mktemp("sets") / "burgers"
    sizes = {"num_train_samples": 2, "num_val_samples": 0, "num_points": 16, "steps": 16}
    bounds = {"max_spectral_tail": 1.0, "max_time_error": 1e-3}
    options = {"times.num": 3, "initial_state.num_modes": 2, **sizes, **bounds}
    status, lines = generated(folder, "burgers_0p03_0p06", **options)
    assert status == 0, lines
    return folder


def errors_by_line(solver) -> dict[str, list[float]]:
    return {
        line[0].line: [solver.measure(variant._replace(block=1), 1).error for variant in line]
        for line in solver.lines()
    }


def test_the_full_solver_gives_the_stored_states_and_others_are_of_order_four(burgers):
    """The step of 1/16 is that of the set, so that its error is the rounding of stored states."""
    solver = solver_of(burgers, "train", SAMPLES, FROM_FIRST)
    errors = errors_by_line(solver)
    assert list(errors) == [
        f"{n}×{n} points, {precision}" for n in (16, 8) for precision in ("float64", "float32")
    ]
    exact, *of_steps = errors["16×16 points, float64"]  # of 16, 8, 4, 2 and 1 steps
    assert exact < 2 * ULP
    assert len(of_steps) == 4
    orders = np.log2(np.array(of_steps[2:]) / of_steps[1:3])
    assert np.abs(orders - 4).max() < 0.5
    assert 1e-8 < errors["16×16 points, float32"][0] < 1e-5
    assert errors["8×8 points, float64"][0] > 1e-4  # modes that a coarse grid does not have


def test_a_stride_takes_the_steps_of_its_intervals(burgers):
    solver = solver_of(burgers, "train", SAMPLES, np.tile([0, 2], (2, 1)))
    full, *_ = next(solver.lines())
    assert full.name == "16×16 points, float64, 32 steps"
    assert solver.measure(full._replace(block=1), 1).error < 2 * ULP


def test_making_a_sample_takes_all_steps_from_time_zero(burgers):
    solver = solver_of(burgers, "train", SAMPLES, FROM_FIRST)
    assert solver.generation().solve(SAMPLES).shape == (2, 2, 2, 16, 16)
    assert len(solver.measure_generation(2)) == 2


def test_a_variant_that_leaves_all_numbers_has_no_error(burgers):
    solver = solver_of(burgers, "train", SAMPLES, FROM_FIRST)
    solver._given = solver._given * 1e6  # far beyond what one step can hold
    *_, longest = next(solver.lines())
    assert solver.measure(longest, 3).error == np.inf


def test_a_steady_solver_is_exact_and_loses_what_it_leaves_out(tmp_path):
    for name in ("poisson_1_5", "poisson_dirichlet_1_5"):
        assert generated(tmp_path / name, name, num_train_samples=3, num_val_samples=0)[0] == 0
        solver = solver_of(tmp_path / name, "train", np.arange(3), np.zeros((3, 1), np.int64))
        (errors,) = errors_by_line(solver).values()
        assert errors[0] < 1e-5  # rounding of the stored source; its modes beyond those kept
        assert all(np.diff(errors) > 0)


def test_an_elliptic_solver_loses_by_larger_cells_and_residuals(tmp_path):
    options = {"num_points": 64, "num_train_samples": 2, "num_val_samples": 0}
    assert generated(tmp_path / "set", "darcy_2_8", **options)[0] == 0
    solver = solver_of(tmp_path / "set", "train", SAMPLES, np.zeros((2, 1), np.int64))
    errors = errors_by_line(solver)
    assert list(errors) == [f"{n}×{n} cells" for n in (64, 32, 16, 8)]
    finest = errors["64×64 cells"]
    assert finest[0] < 32 * ULP
    assert finest[-1] > finest[0]
    assert finest[-1] < errors["32×32 cells"][0] < errors["8×8 cells"][0] < 1


@pytest.mark.parametrize("walls", ["periodic", "dirichlet", "neumann"])
def test_interpolation_is_exact_for_waves_to_second_order(walls):
    """cos and sin of the walls, between cells twice and four times as large."""
    wave = {"periodic": (np.sin, 2), "dirichlet": (np.sin, 1), "neumann": (np.cos, 1)}[walls]
    fine, coarse = (wave[0](wave[1] * np.pi * (np.arange(n) + 0.5) / n) for n in (64, 16))
    half = wave[0](wave[1] * np.pi * (np.arange(32) + 0.5) / 32)
    errors = [
        np.abs(interpolation(64, factor, walls) @ u - fine).max()
        for factor, u in ((4, coarse), (2, half))
    ]
    assert 0 < errors[1] < errors[0] / 3
    np.testing.assert_allclose(means(np.ones((1, 6, 6)), 3), 1)


def test_errors_are_those_of_tests():
    """Mean over samples, steps and fields of ‖û - u‖/‖u‖."""
    reference = np.ones((2, 1, 2, 4, 4), np.float32)
    found = reference.copy()
    found[0, 0, 1] = 3.0
    assert mean_relative_l2(found, reference) == 0.5
    found[:] = np.nan
    assert mean_relative_l2(found, reference) == np.inf


def test_no_states_are_computed_on_more_points_than_they_have():
    class Modes(KeptModes):
        inverse = forward = from_states = to_states = None

    with pytest.raises(InputError, match="as many or fewer"):
        Modes(Grid(shape=(16, 16)), 2, stored=Grid(shape=(8, 8)))
