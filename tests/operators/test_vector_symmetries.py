"""Symmetries on vector fields, on windows, and on grids that are no periodic square."""

from dataclasses import replace

import pytest
import torch

from lightning_sciml.errors import InputError
from lightning_sciml.models.fno import FNO
from lightning_sciml.operators.augmentation import Augmentations, moved
from lightning_sciml.operators.coordinates import SquareSymmetries
from lightning_sciml.operators.neural_operator import NeuralOperator
from lightning_sciml.operators.problem import Problem
from lightning_sciml.pde.grid import Grid
from lightning_sciml.pde.steady import AdvectionDiffusion
from lightning_sciml.streaming.mixture import Batch
from lightning_sciml.streaming.windows import history_names

STATES = ("velocity_x", "vorticity", "velocity_y", "pressure")
COEFFICIENTS = ("v2", "k11", "k12", "k22", "v1")
SQUARE_GRID = Grid(shape=(12, 12))
CHANNEL = Grid(shape=(12, 16), lengths=(1.0, 2.0), boundary=("wall", "periodic"))
CAVITY = Grid(shape=(12, 12), boundary=("wall", "wall"))
B = 16


def flow(grid) -> Problem:
    """Vector fields with an equation that tells all eight elements apart by its coefficients."""
    return Problem(
        name="flow",
        equation=AdvectionDiffusion(),
        grid=grid,
        columns=tuple(COEFFICIENTS.index(n) for n in AdvectionDiffusion.coefficient_names),
        input_fields=("forcing_x", "forcing_y", *history_names(STATES, 2)),
        output_fields=STATES,
        state_fields=STATES,
    )


def operator_of(*problems, **options) -> NeuralOperator:
    torch.manual_seed(0)
    network = FNO(
        num_channels=4,
        num_modes=3,
        coefficient_names=COEFFICIENTS,
        input_fields=(*flow(SQUARE_GRID).input_fields[::-1], "x", "y"),
        output_fields=STATES[::-1],
    )
    network.lifting.weight.data.mul_(30)  # so that the prediction depends on the fields
    operator = NeuralOperator(network, normalization="medians", **options)
    operator.bind(problems)
    return operator.eval()


def batch_on(grid, num_steps=3) -> Batch:
    """Random samples in the operator's order of channels."""
    generator = torch.Generator().manual_seed(1)
    S, F = len(flow(grid).input_fields), len(STATES)
    return Batch(
        inputs=torch.randn(B, S, *grid.shape, generator=generator),
        outputs=torch.randn(B, num_steps, F, *grid.shape, generator=generator),
        coefficients=torch.randn(B, len(COEFFICIENTS), generator=generator),
        dataset=torch.zeros(B, dtype=torch.long),
        sample_index=torch.arange(B),
        time_index=torch.ones(B, dtype=torch.long),
        lead_time=torch.ones(B),
        global_size=B,
    )


def unrolled(operator, batch):
    with torch.no_grad():
        return operator.unroll(batch.inputs, batch.coefficients, batch.dataset, num_steps=3)


def elements_of(square, batch):
    return square.symmetries[batch.dataset, torch.arange(B) % 8]


@pytest.mark.parametrize("predicts", ["state", "increment"])
@pytest.mark.parametrize("grid", [SQUARE_GRID, CHANNEL, CAVITY], ids=["torus", "channel", "cavity"])
def test_canonical_coordinates_make_unrolled_vectors_equivariant_bit_by_bit(grid, predicts):
    """û(g f; M(g) c) = M(g) û(f; c) for all symmetries of the grid, over three steps."""
    options = {"coordinates": ["square"], "predicts": predicts}
    operator, batch = operator_of(flow(grid), **options), batch_on(grid)
    elements = elements_of(operator.square, batch)
    image = unrolled(operator, moved(batch, operator.square, elements))
    prediction = unrolled(operator, batch)
    expected = operator.square.move_outputs(prediction, batch.dataset, elements)
    assert torch.equal(image, expected)
    operator.coordinates = ()
    assert not torch.allclose(unrolled(operator, batch), prediction, rtol=1e-2)


@pytest.mark.parametrize("grid", [SQUARE_GRID, CHANNEL, CAVITY], ids=["torus", "channel", "cavity"])
def test_averaged_predictions_of_vectors_are_equivariant(grid):
    """Up to the order of the terms in a sum."""
    operator, batch = operator_of(flow(grid), coordinates=["square_average"]), batch_on(grid)
    elements = elements_of(operator.square, batch)
    image = unrolled(operator, moved(batch, operator.square, elements))
    expected = operator.square.move_outputs(unrolled(operator, batch), batch.dataset, elements)
    torch.testing.assert_close(image, expected, rtol=1e-4, atol=1e-5)


def test_increments_are_compared_in_the_network_s_coordinates():
    """Moving vectors keeps the norms over their components: those of the data's increments."""
    options = {"coordinates": ["square"], "predicts": "increment"}
    operator, batch = operator_of(flow(SQUARE_GRID), **options), batch_on(SQUARE_GRID)
    newest = operator.channels.states_before(batch.inputs, batch.dataset)
    before = torch.cat([newest[:, None], batch.outputs[:, :-1]], dim=1)
    with torch.no_grad():
        found, wanted = operator.training_pair(
            batch.inputs, batch.coefficients, batch.dataset, batch.outputs
        )
    for fields, expected in (
        (wanted, batch.outputs - before),
        (found - wanted, unrolled(operator, batch) - batch.outputs),
    ):
        norms = fields.square().sum((2, 3, 4))
        torch.testing.assert_close(norms, expected.square().sum((2, 3, 4)), rtol=1e-4, atol=0)


def test_moving_there_and_back_rounds_nothing():
    problems = [flow(SQUARE_GRID), flow(CAVITY)]
    operator, batch = operator_of(*problems), batch_on(SQUARE_GRID)
    square = SquareSymmetries(problems, operator.data_names)
    problem = torch.arange(B) % 2
    elements = square.symmetries[problem, torch.arange(B) // 2]
    there = square.move_outputs(batch.outputs, problem, elements)
    assert torch.equal(square.move_outputs_back(there, problem, elements), batch.outputs)
    for step in range(3):
        one = square.move_outputs(batch.outputs[:, step], problem, elements)
        assert torch.equal(one, there[:, step])


def test_each_component_of_a_vector_goes_where_its_axis_goes():
    """x ↦ y of the square: v_y becomes v_x; the curl changes its sign, the pressure does not."""
    operator, batch = operator_of(flow(SQUARE_GRID)), batch_on(SQUARE_GRID)
    square = SquareSymmetries(operator.problems, operator.data_names)
    turn = torch.full((B,), 4)
    assert square.matrices[4].tolist() == [[0, 1], [1, 0]]
    image = moved(batch, square, turn)
    names = operator.data_names
    for fields, found, channels, sets in (
        (batch.inputs, image.inputs, names.fields, ("forcing", "velocity")),
        (batch.outputs[:, 0], image.outputs[:, 0], names.outputs, ("velocity",)),
    ):
        before, after = (dict(zip(channels, f.unbind(1), strict=True)) for f in (fields, found))
        for name in channels:
            stem, _, lag = name.partition("@")
            source, sign = name, -1 if stem == "vorticity" else 1
            for vector in sets:
                for axis, other in (("x", "y"), ("y", "x")):
                    if stem == f"{vector}_{axis}":
                        source = f"{vector}_{other}" + (f"@{lag}" if lag else "")
            assert torch.equal(after[name], sign * before[source].mT), name


def test_windows_are_moved_each_by_one_element_of_its_own_grid():
    """Elements of a channel are the four flips; drawn by sample and time, all of them."""
    operator, batch = operator_of(flow(CHANNEL)), batch_on(CHANNEL)
    augment = Augmentations(["square"], operator.problems, operator.data_names)
    image = augment(batch, seed=0, step=0)
    later = augment(batch._replace(time_index=batch.time_index + 1), seed=0, step=0)
    assert not torch.equal(image.inputs, later.inputs)
    flips = {}
    for g in (0, 1, 2, 3):
        flipped = moved(batch, augment.square, torch.full((B,), g))
        for sample in range(B):
            if torch.equal(flipped.inputs[sample], image.inputs[sample]):
                assert torch.equal(flipped.outputs[sample], image.outputs[sample])
                assert torch.equal(flipped.coefficients[sample], image.coefficients[sample])
                flips[sample] = g
    assert len(flips) == B
    assert set(flips.values()) == {0, 1, 2, 3}


def test_superposition_adds_the_same_translate_to_inputs_and_all_steps():
    """Translates of a channel of two periods, on a rectangle: sums over a row and column tell."""
    torus = replace(CHANNEL, boundary=("periodic", "periodic"))
    operator, batch = operator_of(flow(torus)), batch_on(torus)
    constant = batch._replace(inputs=batch.inputs, outputs=batch.inputs[:, None, :4])
    image = Augmentations(["superposition"], operator.problems, operator.data_names)(
        constant, seed=0, step=0
    )
    assert torch.equal(image.outputs[:, 0], image.inputs[:, :4])
    sums = image.inputs.sum(dim=(2, 3)) / batch.inputs.sum(dim=(2, 3))
    torch.testing.assert_close(sums, sums[:, :1].expand_as(sums), rtol=1e-3, atol=1e-3)
    assert not torch.equal(image.inputs, batch.inputs)


def test_walls_have_no_shears_and_no_translations():
    with pytest.raises(InputError, match="lattice are those of a periodic square, flow has"):
        operator_of(flow(CHANNEL), coordinates=["lattice"])
    names = operator_of(flow(CHANNEL)).data_names
    with pytest.raises(InputError, match="translates on periodic grids, flow has"):
        Augmentations(["superposition"], [flow(CHANNEL)], names)


def test_a_field_of_another_shape_than_the_square_is_rejected():
    operator = operator_of(flow(SQUARE_GRID), coordinates=["square"])
    with pytest.raises(InputError, match="got fields of 12x16"):
        unrolled(operator, batch_on(CHANNEL))
