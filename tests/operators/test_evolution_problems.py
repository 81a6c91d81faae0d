"""Problems that are evolutions know their equation; what is of steady equations rejects them."""

import pytest
import torch

from lightning_sciml.errors import InputError
from lightning_sciml.models.fno import FNO
from lightning_sciml.operators.augmentation import Augmentations
from lightning_sciml.operators.conserved_means import reject_unconserved
from lightning_sciml.operators.coordinates import LatticeReduction, SquareSymmetries
from lightning_sciml.operators.description import TrainedProblem
from lightning_sciml.operators.median_normalization import PaperNormalization
from lightning_sciml.operators.network_contract import ChannelNames
from lightning_sciml.operators.neural_operator import NeuralOperator
from lightning_sciml.operators.problem import Problem, by_problem
from lightning_sciml.pde.darcy import Darcy
from lightning_sciml.pde.evolution import EVOLUTION_EQUATIONS
from lightning_sciml.pde.flows import KolmogorovFlow
from lightning_sciml.pde.grid import Grid
from lightning_sciml.pde.named_equation import conserved_means
from lightning_sciml.streaming.windows import history_names


def trained(name: str, **changes) -> TrainedProblem:
    """Describe a data set as a checkpoint does."""
    equation = EVOLUTION_EQUATIONS[name]
    known = {
        "name": f"{name}_small",
        "equation": name,
        "parameters": {},
        "coefficient_names": equation.coefficient_names,
        "ranges": dict.fromkeys(equation.coefficient_names, (0.0, 1.0)),
        "grid": Grid(shape=(8, 8)),
        "input_fields": history_names(equation.state_fields, 1),
        "output_fields": equation.state_fields,
        "state_fields": equation.state_fields,
    }
    return TrainedProblem(**known | changes)


def problem(name: str, **changes):
    of = trained(name, **changes)
    return of.among(of.coefficient_names)


def operator_of(name: str, **options) -> NeuralOperator:
    names = trained(name)
    network = FNO(
        num_channels=4,
        num_modes=2,
        coefficient_names=names.coefficient_names,
        input_fields=names.input_fields,
        output_fields=names.output_fields,
    )
    return NeuralOperator(network, **{"normalization": "standard"} | options)


@pytest.mark.parametrize("name", EVOLUTION_EQUATIONS)
def test_a_described_evolution_has_its_equation(name):
    assert problem(name).equation == EVOLUTION_EQUATIONS[name]()


def test_an_equation_has_the_parameters_of_its_data_set():
    found = problem("kolmogorov_flow", parameters={"num_waves": 2, "amplitude": 3.0})
    assert found.equation == KolmogorovFlow(num_waves=2, amplitude=3.0)


def test_data_with_other_channels_than_the_equation_have_none():
    """Imported trajectories may name an equation and have fields or coefficients of their own."""
    assert problem("heat", state_fields=("temperature",)).equation is None
    assert problem("heat", coefficient_names=("k11", "k22"), ranges={}).equation is None
    assert problem("heat", input_fields=("source", "u")).equation is None
    assert problem("burgers", state_fields=("velocity_y", "velocity_x")).equation is not None


def test_equations_conserve_means():
    assert conserved_means(EVOLUTION_EQUATIONS["wave"]()) == ("u_t",)
    assert conserved_means(EVOLUTION_EQUATIONS["allen_cahn"]()) == conserved_means(None) == ()


def test_evolutions_between_walls_have_no_equation():
    """Those of ours are periodic: walls let heat out, and the mean is not conserved."""
    walled = Grid(shape=(8, 8), boundary=("dirichlet", "periodic"))
    still = problem("heat", grid=walled)
    assert still.equation is None
    with pytest.raises(InputError, match="got heat_small without any; leave it out"):
        reject_unconserved([still])
    reject_unconserved([problem("heat")])


def test_symmetries_are_those_of_grid_and_equation():
    """A force has a direction: the FNO paper's has no symmetry, Kolmogorov's the half turn."""
    wide = Grid(shape=(8, 12), lengths=(1.0, 1.5))
    flows = ["forced_navier_stokes", "kolmogorov_flow", "navier_stokes"]
    problems = [*map(problem, flows), problem("navier_stokes", grid=wide)]
    square = SquareSymmetries(problems, operator_of("kolmogorov_flow").data_names)
    assert square.num_symmetries.tolist() == [1, 2, 8, 4]
    half_turn = square.matrices[square.symmetries[1, 1]].tolist()
    assert half_turn == [[-1, 0], [0, -1]]
    assert square.symmetries[0].unique().tolist() == [0]


def test_a_problem_without_coefficients_has_symmetries_alone_and_beside_others():
    """Imported Darcy flow may have none: all its images are alike, and the first one is taken."""
    still = Problem(
        name="darcy_import",
        equation=Darcy(),
        grid=Grid(shape=(8, 8), boundary=("dirichlet", "dirichlet")),
        columns=(),
        input_fields=("diffusivity",),
        output_fields=("solution",),
    )
    alone = SquareSymmetries([still], ChannelNames(("diffusivity",), ()))
    assert alone.elements(torch.empty(2, 0), torch.zeros(2, dtype=torch.long)).tolist() == [0, 0]
    names = ChannelNames(("diffusivity", "u"), ("k22", "k11", "k12"), ("solution", "u"))
    heat = trained("heat").among(names.coefficients)
    square = SquareSymmetries([still, heat], names)
    numbers = torch.tensor([[0.0, 0.0, 0.0], [1.0, 2.0, 0.5], [2.0, 1.0, 0.5]])
    of = torch.tensor([0, 1, 1])
    elements = square.elements(numbers, of)
    assert elements[0] == 0
    one, other = square.move_coefficients(numbers, of, elements)[1:]
    assert torch.equal(one, other)


def test_an_evolution_has_no_operator_scale():
    """What was trained on evolutions when they had no equation predicts as it did."""
    ones = by_problem(
        lambda equation, c: equation.operator_scale(c),
        torch.full((3, 3), 7.0),
        torch.zeros(3, dtype=torch.long),
        [problem("heat")],
    )
    assert ones.tolist() == [1.0] * 3


@pytest.mark.parametrize("predicts", ["state", "increment"])
def test_rollouts_commute_with_translations(predicts):
    """Without coordinates among its inputs, whatever the weights: no augmentation is needed."""
    operator = operator_of("gray_scott", predicts=predicts).eval()
    operator.bind([problem("gray_scott")])
    operator.network.lifting.weight.data.mul_(30)  # so that states alone matter
    states, numbers = torch.randn(2, 2, 8, 8), torch.rand(2, 4)
    with torch.no_grad():
        steps, moved = (
            operator.unroll(inputs, numbers, num_steps=3)
            for inputs in (states, states.roll((3, 5), dims=(-2, -1)))
        )
    expected = steps.roll((3, 5), dims=(-2, -1))
    torch.testing.assert_close(moved, expected, atol=1e-5, rtol=1e-5)
    assert (moved - steps).norm() > 0.01 * steps.std() * steps.numel() ** 0.5


def test_steady_rules_reject_evolutions():
    names = operator_of("heat").data_names
    with pytest.raises(
        InputError, match="lattice are those of equations Lu = f, heat_small has none"
    ):
        LatticeReduction([problem("heat")], names)
    paper = PaperNormalization(ChannelNames(("source",), ()))
    with pytest.raises(InputError, match="uses the equation Lu = f, got heat_small without one"):
        paper.bind([problem("heat")])


def test_superposition_is_for_linear_equations():
    for name, equation in EVOLUTION_EQUATIONS.items():
        names = operator_of(name).data_names
        if equation.is_linear:
            Augmentations(["superposition"], [problem(name)], names)
            continue
        with pytest.raises(InputError, match=f"linear equations, that of {name}_small is {name}"):
            Augmentations(["superposition"], [problem(name)], names)
