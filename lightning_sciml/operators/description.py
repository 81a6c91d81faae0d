"""Describe a neural operator in plain values, enough to build and to use it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, get_args

import msgspec
import numpy as np

from lightning_sciml.errors import InputError
from lightning_sciml.operators.augmentation import Augmentation
from lightning_sciml.operators.coordinates import Coordinates
from lightning_sciml.operators.network_contract import ChannelNames
from lightning_sciml.operators.normalization import NORMALIZATIONS
from lightning_sciml.operators.problem import Problem
from lightning_sciml.pde.steady import named_equation
from lightning_sciml.streaming.mixture_member import MixtureMember


@dataclass(frozen=True, kw_only=True)
class NetworkDescription:
    """A network.

    Attributes:
        class_path: of the class.
        options: arguments of its constructor, where the class tells them.
    """

    class_path: str
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TrainedProblem:
    """A problem that an operator was trained on.

    Attributes:
        name: of the data set.
        equation: its name in ``EQUATIONS``, or "none".
        parameters: arguments of the equation's constructor.
        coefficient_names: of the data set, in the order of the equation.
        ranges: smallest and largest value of each coefficient among the training samples.
    """

    name: str
    equation: str
    parameters: dict[str, Any]
    coefficient_names: tuple[str, ...]
    ranges: dict[str, tuple[float, float]]

    def among(self, coefficient_names: Sequence[str]) -> Problem:
        """Return the problem as an operator with these coefficients refers to it."""
        return Problem(
            name=self.name,
            equation=named_equation(self.equation, self.parameters),
            columns=tuple(coefficient_names.index(name) for name in self.coefficient_names),
        )


@dataclass(frozen=True, kw_only=True)
class OperatorDescription:
    """A neural operator.

    Attributes:
        network: maps normalised inputs to an output.
        coefficient_names: in the order of the operator.
        input_fields: of the network, in order; x and y among them are made by the operator.
        normalization: its name in ``NORMALIZATIONS``.
        coordinates: in which the network sees a problem.
        augmentations: of its training samples; fine-tuning repeats them.
        loss: that it was trained with; fine-tuning repeats it.
        problems: what the weights were trained on last.
        num_points: grid points an axis of the training samples.
    """

    network: NetworkDescription
    coefficient_names: tuple[str, ...]
    input_fields: tuple[str, ...]
    normalization: str
    coordinates: tuple[str, ...]
    augmentations: tuple[str, ...] = ()
    loss: str = ""
    problems: tuple[TrainedProblem, ...] = ()
    num_points: int = 0

    def __post_init__(self) -> None:
        """Reject what this library does not know, and problems that do not fit together."""
        known = {
            "normalization": ([self.normalization], NORMALIZATIONS),
            "coordinates": (self.coordinates, get_args(Coordinates)),
            "augmentations": (self.augmentations, get_args(Augmentation)),
        }
        for problem in self.problems:
            known[f"coefficients of {problem.name}"] = (
                problem.coefficient_names,
                [name for name in self.coefficient_names if name in problem.ranges],
            )
        for what, (names, choices) in known.items():
            if unknown := [name for name in names if name not in choices]:
                raise ValueError(f"{what} must be among {', '.join(choices)}, got {unknown[0]}")

    @property
    def channel_names(self) -> ChannelNames:
        """Return the names of the channels that the network takes."""
        return ChannelNames(self.input_fields, self.coefficient_names)

    def plain(self) -> dict[str, Any]:
        """Convert to dictionaries, lists, texts and numbers, for JSON and ``weights_only``."""
        values: dict[str, Any] = msgspec.to_builtins(self)
        return values

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> Self:
        """Read what `plain` has made.

        Raises:
            InputError: something is missing or of another type; the place is named.
        """
        try:
            return msgspec.convert(values, cls)
        except msgspec.ValidationError as error:
            raise InputError(
                f"it does not describe a neural operator of this library: {error}"
            ) from error


def trained_problem(member: MixtureMember) -> TrainedProblem:
    """Describe the training samples of a data set: its equation, and the range of coefficients."""
    manifest, names = member.dataset.manifest, member.dataset.coefficient_names
    samples = member.subset(np.arange(member.subset.num_samples))
    values = member.dataset.coefficients(samples)
    return TrainedProblem(
        name=member.name,
        equation=manifest.equation,
        parameters=dict(manifest.equation_parameters),
        coefficient_names=names,
        ranges={
            name: (float(column.min()), float(column.max()))
            for name, column in zip(names, values.T, strict=True)
        },
    )
