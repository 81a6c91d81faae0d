"""Fitted operators of a few hundred weights, made without a training."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from lightning_sciml.models.fno import FNO
from lightning_sciml.operators.description import TrainedProblem
from lightning_sciml.operators.neural_operator import NeuralOperator
from lightning_sciml.pde.grid import Boundary, Grid
from lightning_sciml.streaming.training_statistics import TrainingStatistics

POISSON = {"k11": (1.0, 5.0), "k22": (1.0, 5.0), "k12": (-1.0, 1.0)}
VELOCITY = ("velocity_x", "velocity_y")
RECIPES: dict[str, dict[str, Any]] = {
    "paper": {},
    "average": {"recipe": {"coordinates": ["square_average"]}},
    "dimensionless": {
        "recipe": {"normalization": "dimensionless", "coordinates": ["lattice", "square"]}
    },
    "medians": {
        "equation": "none",
        "inputs": ("f",),
        "outputs": ("u",),
        "recipe": {"normalization": "medians"},
    },
    "walls": {
        "equation": "darcy",
        "ranges": {},
        "inputs": ("diffusivity", "source"),
        "boundary": ("dirichlet", "dirichlet"),
        "recipe": {"normalization": "dimensionless", "coordinates": ["square"]},
        "network": {"input_fields": ("diffusivity", "x", "source", "y"), "block": "mlp"},
    },
    "masks": {
        "equation": "none",
        "shape": (12, 16),
        "inputs": ("f",),
        "outputs": ("u", "p"),
        "recipe": {"normalization": "standard"},
        "network": {
            "input_fields": ("g", "mask_g", "f", "mask_f"),
            "output_fields": ("p", "q", "u"),
            "coefficient_names": ("other", *POISSON),
        },
    },
    "flow": {
        "equation": "burgers",
        "ranges": {"nu": (0.01, 0.1), "lead_time": (0.1, 0.5)},
        "inputs": ("velocity_x@-1", "velocity_y@-1", *VELOCITY),
        "outputs": VELOCITY,
        "states": VELOCITY,
        "recipe": {
            "normalization": "dimensionless",
            "coordinates": ["square"],
            "predicts": "increment",
        },
    },
    "conserved": {
        "equation": "kuramoto_sivashinsky",
        "ranges": {"side": (20.0, 30.0)},
        "inputs": ("u@-2", "u@-1", "u"),
        "outputs": ("u",),
        "states": ("u",),
        "recipe": {
            "normalization": "standard",
            "predicts": "increment",
            "conserves_means": True,
        },
        "network": {"input_fields": ("u", "u@-1", "u@-2")},
    },
    "amplitude": {
        "equation": "allen_cahn",
        "ranges": {"nu": (0.002, 0.005)},
        "inputs": ("u",),
        "outputs": ("u",),
        "states": ("u",),
        "recipe": {"normalization": "dimensionless", "predicts": "increment"},
        "network": {"input_fields": ("u", "amplitude_u")},
    },
}


def fitted_operator(
    *,
    equation: str = "poisson",
    ranges: Mapping[str, tuple[float, float]] = POISSON,
    inputs: Sequence[str] = ("source",),
    outputs: Sequence[str] = ("solution",),
    states: Sequence[str] = (),
    shape: tuple[int, int] = (16, 16),
    boundary: tuple[Boundary, Boundary] = ("periodic", "periodic"),
    recipe: Mapping[str, Any] | None = None,
    network: Mapping[str, Any] | None = None,
) -> NeuralOperator:
    """Make an operator with random weights and plausible scales, bound to its problem.

    Args:
        equation: of the problem.
        ranges: of its coefficients, with lead_time.
        inputs: its input fields.
        outputs: its output fields.
        states: those of them that are states.
        shape: of its grid.
        boundary: of its grid.
        recipe: options of the operator.
        network: options of the network, over a small one with the channels of the problem.
    """
    torch.manual_seed(0)
    own = {"input_fields": inputs, "output_fields": outputs, "coefficient_names": tuple(ranges)}
    small = {"num_channels": 4, "num_modes": 3, "num_blocks": 1}
    operator = NeuralOperator(FNO(**{**small, **own, **(network or {})}), **(recipe or {}))
    trained = TrainedProblem(
        name=equation,
        equation=equation,
        parameters={},
        coefficient_names=tuple(name for name in ranges if name != "lead_time"),
        ranges=dict(ranges),
        grid=Grid(shape=shape, boundary=boundary),
        input_fields=tuple(inputs),
        output_fields=tuple(outputs),
        state_fields=tuple(states),
    )
    operator.bind([trained.among(operator.coefficient_names)])
    operator.fit(_statistics([*inputs, *outputs], tuple(ranges)), [trained])
    return operator.eval()


def _statistics(fields: Sequence[str], coefficients: Sequence[str]) -> TrainingStatistics:
    """Make scales that are neither 0 nor 1, and differ."""
    sizes = {name: 1.0 + 0.1 * i for i, name in enumerate(fields)}
    numbers = {name: 2.0 + 0.1 * i for i, name in enumerate(coefficients)}
    plain: dict[str, Any] = {
        "field_norms": sizes,
        "coefficients": numbers,
        "scaled_coefficients": numbers,
        "field_means": {name: 0.3 * size for name, size in sizes.items()},
        "field_stds": sizes,
        "increments": {name: 0.2 * size for name, size in sizes.items()},
    }
    return TrainingStatistics(**plain, in_units=TrainingStatistics(**plain))
