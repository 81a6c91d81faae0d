"""Moved samples solve their equations; draws depend on the sample and the step alone."""

import numpy as np
import pytest
import torch

from lightning_sciml.evaluation.metrics import pde_residual, relative_l2
from lightning_sciml.operators.augmentation import moved as moved_by
from lightning_sciml.operators.augmentation import superposed
from lightning_sciml.operators.coordinate_changes import CoordinateChanges
from lightning_sciml.operators.coordinates import LatticeReduction, SquareSymmetries
from lightning_sciml.operators.description import problem_of
from lightning_sciml.operators.network_contract import ChannelNames
from lightning_sciml.operators.random_integers import random_integers
from lightning_sciml.pde.grid import PeriodicGrid
from lightning_sciml.pde.symmetries import BASES, SQUARE
from lightning_sciml.streaming.datamodule import PDEDataModule
from lightning_sciml.streaming.random_streams import Stream

NAMES = ("poisson_1_5", "advection_diffusion_0p2_1", "helmholtz_1_10")


@pytest.fixture
def mixture(datasets):
    data = PDEDataModule([str(datasets[n]) for n in NAMES])
    data.setup("fit")
    return data.mixtures["train"]


@pytest.fixture
def batch(mixture):
    return mixture.load(np.arange(0, len(mixture), 5), global_size=24)


def problems(mixture):
    """The problems of a mixture, and the names of an operator with its channels."""
    names = ChannelNames(mixture.input_fields, mixture.coefficient_names)
    return [problem_of(member, names.coefficients) for member in mixture.members], names


def residuals(batch, mixture) -> torch.Tensor:
    values = torch.zeros(len(batch.dataset), dtype=torch.float64)
    for d, member in enumerate(mixture.members):
        rows = batch.dataset == d
        if not rows.any():
            continue
        values[rows] = pde_residual(
            batch.outputs[:, 0][rows].double(),
            batch.inputs[rows].double(),
            batch.coefficients[rows][:, list(member.columns)].double(),
            member.equation,
        )
    return values


def test_moved_samples_solve_their_equation_as_well_as_the_stored_ones(mixture, batch):
    """Values are only moved: what differs is the round-off of the transforms, 1e-12 of ‖f‖."""
    stored = residuals(batch, mixture)
    symmetries = SquareSymmetries(*problems(mixture))
    for g in range(len(SQUARE)):
        moved = moved_by(batch, symmetries, torch.full_like(batch.dataset, g))
        torch.testing.assert_close(residuals(moved, mixture), stored, rtol=1e-4, atol=1e-10)
        if g:
            assert not torch.equal(moved.inputs, batch.inputs)


def test_without_their_coefficients_moved_samples_solve_nothing(mixture, batch):
    """Show that the test above would notice a wrong rule, where coefficients have a direction."""
    elements = torch.full_like(batch.dataset, 1)  # y ↦ -y
    moved = moved_by(batch, SquareSymmetries(*problems(mixture)), elements)
    wrong = residuals(moved._replace(coefficients=batch.coefficients), mixture)
    assert wrong[batch.dataset < 2].median() > 0.1


def test_every_sample_is_moved_by_its_own_element_and_back_without_rounding(mixture, batch):
    symmetries = SquareSymmetries(*problems(mixture))
    elements = torch.arange(len(batch.dataset)) % 8
    moved = moved_by(batch, symmetries, elements)
    assert not torch.equal(moved.inputs, batch.inputs)
    for of_batch in (lambda b: b.inputs, lambda b: b.outputs):
        back = symmetries.move_outputs_back(of_batch(moved), batch.dataset, elements)
        assert torch.equal(back, of_batch(batch))


def test_draws_are_functions_of_step_and_sample(batch):
    order = torch.randperm(len(batch.dataset), generator=torch.Generator().manual_seed(0))
    shuffled = batch.map(lambda tensor: tensor[order])
    drawn = random_integers(batch, 8, Stream.SYMMETRY, seed=3, step=5)
    assert torch.equal(random_integers(shuffled, 8, Stream.SYMMETRY, seed=3, step=5), drawn[order])
    for other in ({"seed": 3, "step": 6}, {"seed": 4, "step": 5}):
        assert not torch.equal(random_integers(batch, 8, Stream.SYMMETRY, **other), drawn)


def test_draws_are_uniform_over_samples_and_over_steps(mixture):
    """χ² of 8 classes has mean 7 and standard deviation √14; 40 would be a chance of 1e-6."""
    batch = mixture.load(np.arange(len(mixture)), global_size=len(mixture))
    by_step = torch.stack(
        [random_integers(batch, 8, Stream.SYMMETRY, seed=0, step=s) for s in range(200)]
    )
    for draws in (by_step.flatten(), by_step[:, 0], by_step[:, 77]):
        counts = torch.bincount(draws, minlength=8).double()
        expected = len(draws) / 8
        assert ((counts - expected) ** 2 / expected).sum() < 40
    pairs = 8 * by_step[:, :-1] + by_step[:, 1:]  # neighbours are independent: 63 ± 11
    counts = torch.bincount(pairs.flatten(), minlength=64).double()
    assert ((counts - pairs.numel() / 64) ** 2 / (pairs.numel() / 64)).sum() < 120


def test_an_average_over_the_group_is_equivariant(mixture, batch):
    """Whatever is averaged: here products of the source with a fixed field and a coefficient."""
    field = torch.rand(32, 32, generator=torch.Generator().manual_seed(0))

    def solve(source, coefficients, dataset):
        return source * field + coefficients.sum(dim=1)[:, None, None, None]

    def average_of(batch):
        return symmetries.average(solve, batch.inputs, batch.coefficients, batch.dataset)

    symmetries = SquareSymmetries(*problems(mixture))
    average = average_of(batch)
    elements = torch.arange(len(batch.dataset)) % 8
    moved = average_of(moved_by(batch, symmetries, elements))
    expected = symmetries.move_outputs(average, batch.dataset, elements)
    torch.testing.assert_close(moved, expected)
    assert not torch.allclose(solve(batch.inputs, batch.coefficients, None), average)


def test_all_images_of_a_problem_have_one_canonical_form(mixture, batch):
    """Coefficients agree bit by bit over all eight images: k11 ≥ k22, then k12 ≥ 0."""
    symmetries = SquareSymmetries(*problems(mixture))
    canonical = moved_by(batch, symmetries, symmetries.elements(batch.coefficients, batch.dataset))
    k11, k22, k12 = canonical.coefficients[canonical.dataset < 2, :3].T
    assert (k11 >= k22).all()
    assert (k12 >= 0).all()
    for g in range(len(SQUARE)):
        image = moved_by(batch, symmetries, torch.full_like(batch.dataset, g))
        again = moved_by(image, symmetries, symmetries.elements(image.coefficients, image.dataset))
        assert torch.equal(again.coefficients, canonical.coefficients)
        # Advection tells x from -x, so there the element is unique and the fields agree as well.
        rows = batch.dataset == 1
        assert torch.equal(again.inputs[rows], canonical.inputs[rows])
        assert torch.equal(again.outputs[rows], canonical.outputs[rows])


def test_sheared_samples_solve_their_equation_where_nothing_is_aliased(mixture, batch):
    """Modes up to 2 go to modes up to 12, and 32 points carry 15: exact up to round-off."""
    rows = torch.nonzero(batch.dataset < 2)[:, 0]
    u_hat = torch.fft.rfft2(batch.outputs[:, 0][rows].double())
    ny, nx = (torch.fft.fftfreq(32, 1 / 32).abs()[:, None], torch.arange(17))
    u_hat[..., (ny > 2) | (nx > 2)] = 0
    u = torch.fft.irfft2(u_hat)
    f_hat, waves = torch.empty_like(u_hat), PeriodicGrid(32).wavenumbers
    for i, (d, c) in enumerate(
        zip(batch.dataset[rows].tolist(), batch.coefficients[rows].double(), strict=True)
    ):
        member = mixture.members[d]
        symbol = member.equation.symbol(c[list(member.columns)].numpy(), waves)
        f_hat[i] = torch.from_numpy(symbol) * u_hat[i]
    smooth = batch.map(lambda tensor: tensor[rows])._replace(
        inputs=torch.fft.irfft2(f_hat), outputs=u[:, None]
    )
    changes = CoordinateChanges(*problems(mixture), BASES)
    for g in range(len(BASES)):
        moved = moved_by(smooth, changes, torch.full_like(smooth.dataset, g))
        assert residuals(moved, mixture).max() < 1e-4  # c is moved in float32, entries up to 3
    wrong = moved._replace(coefficients=smooth.coefficients)
    assert residuals(wrong, mixture).median() > 0.1


def test_a_reduced_operator_is_the_least_anisotropic_of_all_images(mixture):
    """2|k12| ≤ min(k11, k22), whatever images are reduced; Helmholtz stays as it is."""
    reduction = LatticeReduction(*problems(mixture))
    batch = mixture.load(np.arange(len(mixture)), global_size=len(mixture))
    elements = reduction.elements(batch.coefficients, batch.dataset)
    assert (elements[batch.dataset < 2] > 0).any()
    assert (elements[batch.dataset == 2] == 0).all()
    reduced = moved_by(batch, reduction, elements).map(lambda tensor: tensor[batch.dataset < 2])
    k11, k22, k12 = reduced.coefficients[:, :3].T
    assert (2 * k12.abs() <= torch.minimum(k11, k22) * (1 + 1e-6)).all()
    for g in range(1, 5):  # shears by one, which BASES can undo
        image = moved_by(reduced, reduction, torch.full_like(reduced.dataset, g))
        elements = reduction.elements(image.coefficients, image.dataset)
        assert (elements > 0).all()
        again = moved_by(image, reduction, elements).coefficients
        torch.testing.assert_close(again[:, :2].sum(1), k11 + k22, rtol=1e-5, atol=0)


def test_superposed_samples_solve_their_equation_as_well_as_the_stored_ones(mixture, batch):
    one, other = (superposed(batch, seed=0, step=step) for step in (0, 1))
    assert torch.equal(superposed(batch, seed=0, step=0).inputs, one.inputs)
    assert not torch.equal(other.inputs, one.inputs)
    changed = relative_l2(one.inputs, batch.inputs)
    assert changed.min() > 0
    assert changed.std() > 0.1  # every sample has its own amplitude
    stored = residuals(batch, mixture).max()
    assert residuals(one, mixture).max() < 10 * stored
    assert residuals(one._replace(inputs=batch.inputs), mixture).median() > 0.1
