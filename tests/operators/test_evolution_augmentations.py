"""Augmented windows of evolutions solve their equations, to the solver's error."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from evolution_states import CASES
from solved_windows import solved_windows

from data_gen.elliptic_solver import solve
from lightning_sciml.errors import InputError
from lightning_sciml.operators.augmentation import Augmentations
from lightning_sciml.operators.boosts import translated
from lightning_sciml.operators.network_contract import ChannelNames
from lightning_sciml.operators.problem import Problem
from lightning_sciml.pde.darcy import Darcy
from lightning_sciml.pde.evolution import EVOLUTION_EQUATIONS
from lightning_sciml.pde.grid import Grid

LINEAR, REVERSED, BOOSTED = (
    [name for name, equation in EVOLUTION_EQUATIONS.items() if getattr(equation, rule)]
    for rule in ("is_linear", "reverses_sign", "velocity")
)


def augmented(windows, *names, step=0, **changes):
    problem = windows.problem
    augment = Augmentations(names, [problem], windows.names)
    return augment(windows.batch._replace(**changes), seed=0, step=step)


def difference(windows, batch, num_substeps=8):
    """What solving again from the oldest state of each window differs by, of the largest value."""
    states, again = windows.states(batch), windows.solved_again(batch, num_substeps)
    return abs(states - again).max() / abs(again).max()


@pytest.mark.parametrize("name", EVOLUTION_EQUATIONS)
def test_windows_moved_by_symmetries_are_solutions(name):
    """Move scalars, vorticity and vectors, states of a history, tensors and velocities."""
    windows, seen = solved_windows(name), set()
    for step in range(4):
        batch = augmented(windows, "square", step=step)
        assert difference(windows, batch) < 1e-11
        seen |= {tuple(field.flatten()[:40].tolist()) for field in batch.inputs[:, 0]}
    expected = {"forced_navier_stokes": 4, "kolmogorov_flow": 8}.get(name)
    assert len(seen) == expected if expected else len(seen) > 8


@pytest.mark.parametrize("name", LINEAR)
def test_superposed_windows_are_solutions(name):
    windows = solved_windows(name)
    batch = augmented(windows, "superposition")
    assert difference(windows, batch) < 1e-13
    assert difference(windows, batch._replace(outputs=windows.batch.outputs)) > 0.1


@pytest.mark.parametrize("name", REVERSED)
def test_windows_of_the_other_sign_are_solutions(name):
    """Take -g for Swift-Hohenberg: half of the draws, and those alone, are reversed."""
    windows, signs = solved_windows(name), []
    for step in range(8):
        batch = augmented(windows, "sign", step=step)
        assert difference(windows, batch) < 1e-14
        signs += (batch.outputs / windows.batch.outputs).flatten(1)[:, 0].tolist()
    assert set(signs) == {-1.0, 1.0}
    assert 8 < np.sum(np.array(signs) > 0) < 24


def test_equations_that_the_other_sign_does_not_solve_are_named():
    """Solving from -u shows that no equation is missing among those with the symmetry."""
    for name in EVOLUTION_EQUATIONS:
        windows = solved_windows(name)
        if name not in REVERSED:
            batch = windows.batch._replace(
                inputs=-windows.batch.inputs, outputs=-windows.batch.outputs
            )
            if name == "fisher_kpp":  # falls without bound
                with pytest.raises(InputError, match="is not finite"):
                    difference(windows, batch)
            else:
                assert difference(windows, batch) > 1e-3
            with pytest.raises(InputError, match=f"solve {name}, that of {name}_set; leave sign"):
                augmented(windows, "sign")


def test_the_sign_of_darcy_flow_is_that_of_source_and_solution():
    """Solved again with -f and the same a; without f among the inputs it is rejected."""
    rng = np.random.default_rng(0)
    a, f = rng.uniform(1, 9, (4, 8, 8)), rng.normal(size=(4, 8, 8))
    names = ChannelNames(("source", "diffusivity"), ())
    darcy = Problem(
        name="darcy_set",
        equation=Darcy(),
        grid=Grid(shape=(8, 8), boundary=("dirichlet", "dirichlet")),
        columns=(),
        input_fields=names.fields,
        output_fields=names.outputs,
    )
    inputs = torch.from_numpy(np.stack([f, a], axis=1))
    outputs = torch.from_numpy(solve(a, f, "dirichlet", 1e-12).solution)[:, None, None]
    batch = solved_windows("heat").batch._replace(
        inputs=inputs, outputs=outputs, coefficients=torch.empty(4, 0)
    )
    image = Augmentations(["sign"], [darcy], names)(batch, seed=0, step=0)
    source, diffusivity = image.inputs.unbind(1)
    assert torch.equal(diffusivity, inputs[:, 1])
    again = solve(diffusivity.numpy(), source.numpy(), "dirichlet", 1e-12).solution
    error = abs(image.outputs[:, 0, 0].numpy() - again).max()
    assert error < 1e-9 * abs(again).max()
    assert set((source / inputs[:, 0])[:, 0, 0].tolist()) == {-1.0, 1.0}
    without = replace(darcy, input_fields=("diffusivity",))
    with pytest.raises(InputError, match="where the source is an input, darcy_set has diffusivity"):
        Augmentations(["sign"], [without], names)


@pytest.mark.parametrize("shape", [(16, 16), (15, 18)], ids=["square", "rectangle"])
@pytest.mark.parametrize("name", BOOSTED)
def test_boosted_windows_are_solutions(name, shape):
    """Earlier states move back, later ones on; ETDRK4 errs by O(Δt⁴) in another frame."""
    num_substeps = 60 if name == "burgers" else 1
    options = {"shape": shape, "lengths": CASES[name].lengths, "num_substeps": num_substeps}
    windows = solved_windows(name, **options)
    batch = augmented(windows, "boost")
    assert difference(windows, batch, num_substeps) < 1e-8
    unmoved = batch._replace(outputs=windows.batch.outputs)
    assert difference(windows, unmoved, num_substeps) > 1e-2


def test_a_boost_of_burgers_is_of_the_size_of_its_velocity():
    windows = solved_windows("burgers")
    batch = augmented(windows, "boost")
    newest = [windows.names.fields.index(n) for n in ("velocity_x", "velocity_y")]
    added = (batch.inputs - windows.batch.inputs)[:, newest]
    torch.testing.assert_close(added, added[..., :1, :1].expand_as(added))  # t = 0: not moved
    size = windows.batch.inputs[:, newest].square().mean((1, 2, 3)).sqrt()
    assert (added[..., 0, 0].abs() <= size[:, None]).all()
    assert len(added[..., 0, 0].unique()) == added[..., 0, 0].numel()


def test_a_boost_of_advection_keeps_the_speed():
    windows = solved_windows("unsteady_advection_diffusion")
    batch = augmented(windows, "boost")
    columns = [windows.names.coefficients.index(n) for n in ("v1", "v2")]
    before, after = windows.batch.coefficients[:, columns], batch.coefficients[:, columns]
    torch.testing.assert_close(after.norm(dim=1), before.norm(dim=1))
    assert ((after - before).norm(dim=1) > 1e-3).all()
    newest = windows.names.fields.index("u")
    assert torch.equal(batch.inputs[:, newest], windows.batch.inputs[:, newest])


def test_equations_without_a_velocity_are_not_boosted():
    for name in EVOLUTION_EQUATIONS:
        if name not in BOOSTED:
            with pytest.raises(InputError, match=f"that of {name}_set is {name}, which has none"):
                augmented(solved_windows(name), "boost")


def test_a_boost_needs_states_at_equal_intervals():
    windows = solved_windows("burgers")
    uneven = windows._replace(problem=replace(windows.problem, has_equal_intervals=False))
    with pytest.raises(InputError, match="intervals between those of burgers_set differ; leave"):
        augmented(uneven, "boost")


def test_the_lead_time_that_a_network_takes_stays():
    windows = solved_windows("unsteady_advection_diffusion")
    names = windows.names._replace(coefficients=(*windows.names.coefficients, "lead_time"))
    times = windows.batch.lead_time[:, None]
    numbers = torch.cat([windows.batch.coefficients, times], dim=1)
    augment = Augmentations(["square", "sign", "boost"], [windows.problem], names)
    image = augment(windows.batch._replace(coefficients=numbers), seed=0, step=0)
    assert torch.equal(image.coefficients[:, -1:], times)
    assert difference(windows, image) < 1e-11


@pytest.mark.parametrize("shape", [(8, 12), (9, 7)])
def test_a_shift_by_grid_points_is_a_roll(shape):
    """Shift fields without the mode at Nyquist: float32 keeps its digits over long ways."""
    H, W = shape
    field = torch.randn(2, 3, H, W, dtype=torch.float64)
    modes = torch.fft.rfft2(field)
    modes[..., (H + 1) // 2 : H // 2 + 1, :] = 0  # none of an odd number
    modes[..., (W + 1) // 2 :] = 0
    field = torch.fft.irfft2(modes, s=(H, W))
    turns = torch.tensor([[[2 / W, 3 / H]], [[1000 + 2 / W, 3 / H - 500]]], dtype=torch.float64)
    expected = field.roll((3, 2), dims=(-2, -1))
    torch.testing.assert_close(translated(field, turns), expected, atol=1e-10, rtol=0)
    torch.testing.assert_close(
        translated(field.float(), turns), expected.float(), atol=2e-6, rtol=0
    )


def test_draws_are_those_of_the_sample_and_the_step():
    windows = solved_windows("unsteady_advection_diffusion")
    names = ("square", "superposition", "sign", "boost")
    batch = augmented(windows, *names)
    assert difference(windows, batch) < 1e-12
    order = torch.tensor([2, 0, 3, 1])
    augment = Augmentations(names, [windows.problem], windows.names)
    shuffled = augment(windows.batch.map(lambda tensor: tensor[order]), seed=0, step=0)
    for found, expected in zip(shuffled[:3], batch[:3], strict=True):
        assert torch.equal(found, expected[order])
    for other in ({"seed": 1, "step": 0}, {"seed": 0, "step": 1}):
        assert not torch.equal(augment(windows.batch, **other).inputs, batch.inputs)


def test_grids_of_two_shapes_keep_their_symmetries_in_one_operator():
    """A rectangle beside a square of the same boundary: the square still turns."""
    windows = solved_windows("allen_cahn")
    wide = Grid(shape=(16, 32), lengths=(1.0, 2.0))
    other = replace(windows.problem, grid=wide)
    augment = Augmentations(["square"], [windows.problem, other], windows.names)
    assert augment.square.num_symmetries.tolist() == [8, 4]
    turn = torch.full((4,), 4)
    moved = augment.square.move_inputs(windows.batch.inputs, windows.batch.dataset, turn)
    assert torch.equal(moved, windows.batch.inputs.mT)
    flipped = augment.square.move_inputs(
        torch.rand(1, 2, 16, 32), torch.ones(1, dtype=torch.long), torch.ones(1, dtype=torch.long)
    )
    assert flipped.shape == (1, 2, 16, 32)
