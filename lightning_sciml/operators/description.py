"""Describe a neural operator in plain values, enough to build and to use it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self, get_args

import msgspec
import numpy as np

from lightning_sciml.errors import InputError
from lightning_sciml.operators.augmentation import Augmentation
from lightning_sciml.operators.coordinates import Coordinates
from lightning_sciml.operators.increments import Predicts
from lightning_sciml.operators.network_contract import ChannelNames
from lightning_sciml.operators.normalizations import NORMALIZATIONS
from lightning_sciml.operators.problem import Problem
from lightning_sciml.pde.grid import Grid
from lightning_sciml.pde.named_equation import equation_of_channels
from lightning_sciml.streaming.mixture_member import MixtureMember
from lightning_sciml.streaming.training_statistics import step_times
from lightning_sciml.streaming.windows import LEAD_TIME, field_of, history_names


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
        equation: its name in ``EQUATION_NAMES``, or "none".
        parameters: arguments of the equation's constructor.
        coefficient_names: of the data set, in the order of the equation.
        ranges: smallest and largest value of each coefficient among the training samples; of an
            evolution also of the lead time, where the operator takes that.
        grid: of the training samples.
        input_fields: of its samples, with the states of a history.
        output_fields: of its samples.
        state_fields: those of them that are inputs of the next step; none of a steady problem.
    """

    name: str
    equation: str
    parameters: dict[str, Any]
    coefficient_names: tuple[str, ...]
    ranges: dict[str, tuple[float, float]]
    grid: Grid
    input_fields: tuple[str, ...]
    output_fields: tuple[str, ...]
    state_fields: tuple[str, ...] = ()

    @property
    def asked_names(self) -> tuple[str, ...]:
        """Return the names of the numbers that a prediction needs."""
        return (*self.coefficient_names, *([LEAD_TIME] if LEAD_TIME in self.ranges else []))

    def among(
        self, coefficient_names: Sequence[str], shape: tuple[int, int] | None = None
    ) -> Problem:
        """Return the problem as an operator with these coefficients refers to it.

        Args:
            coefficient_names: of the operator.
            shape: points along y and x, where they are not those of the training.
        """
        return Problem(
            name=self.name,
            equation=equation_of_channels(
                self.equation,
                self.parameters,
                grid=self.grid,
                coefficient_names=self.coefficient_names,
                state_fields=self.state_fields,
                static_fields=[
                    n for n in self.input_fields if field_of(n) not in self.state_fields
                ],
            ),
            grid=replace(self.grid, shape=shape or self.grid.shape),
            columns=tuple(coefficient_names.index(name) for name in self.coefficient_names),
            input_fields=self.input_fields,
            output_fields=self.output_fields,
            state_fields=self.state_fields,
        )


@dataclass(frozen=True, kw_only=True)
class OperatorDescription:
    """A neural operator.

    Attributes:
        network: maps normalised inputs to an output.
        coefficient_names: in the order of the operator.
        input_fields: of the network, in order; x, y and masks are made by the operator.
        output_fields: of the network, in order.
        normalization: its name in ``NORMALIZATIONS``.
        coordinates: in which the network sees a problem.
        predicts: the next state of an evolution, or its increment.
        conserves_means: it keeps the means that the equations conserve.
        augmentations: of its training samples; fine-tuning repeats them.
        loss: that it was trained with; fine-tuning repeats it.
        problems: what the weights were trained on last.
    """

    network: NetworkDescription
    coefficient_names: tuple[str, ...]
    input_fields: tuple[str, ...]
    output_fields: tuple[str, ...]
    normalization: str
    coordinates: tuple[str, ...]
    predicts: str = "state"
    conserves_means: bool = False
    augmentations: tuple[str, ...] = ()
    loss: str = ""
    problems: tuple[TrainedProblem, ...] = ()

    def __post_init__(self) -> None:
        """Reject what this library does not know, and problems that do not fit together."""
        known = {
            "normalization": ([self.normalization], NORMALIZATIONS),
            "coordinates": (self.coordinates, get_args(Coordinates)),
            "predicts": ([self.predicts], get_args(Predicts)),
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
        """Return the names of the channels that the network takes and predicts."""
        return ChannelNames(self.input_fields, self.coefficient_names, self.output_fields)

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
            return msgspec.convert(_with_named_outputs(values), cls)
        except (msgspec.ValidationError, InputError, TypeError) as error:
            raise InputError(
                f"it does not describe a neural operator of this library: {error}"
            ) from error


def _with_named_outputs(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Turn a description written before outputs had names into one of today.

    There was one output, on N × N points of the periodic unit square.
    """
    if "output_fields" in values or "num_points" not in values:
        return values
    num_points = values["num_points"] or 1  # 0 where it was not known
    inputs = [name for name in values.get("input_fields", ()) if name not in ("x", "y")]
    named = {
        "grid": {"shape": [num_points, num_points]},
        "input_fields": inputs,
        "output_fields": ["solution"],
    }
    kept = {name: value for name, value in values.items() if name != "num_points"}
    problems = [{**problem, **named} for problem in values.get("problems", ())]
    return {**kept, "output_fields": ["solution"], "problems": problems}


def problem_of(member: MixtureMember, coefficient_names: Sequence[str]) -> Problem:
    """Return the problem of a data set as an operator with these coefficients refers to it."""
    dataset = member.dataset
    history = history_names(dataset.target_fields, member.windows.history)
    return Problem(
        name=member.name,
        equation=member.equation,
        grid=dataset.grid,
        columns=tuple(coefficient_names.index(name) for name in dataset.coefficient_names),
        input_fields=(*dataset.input_fields, *history),
        output_fields=dataset.target_fields,
        state_fields=dataset.target_fields if dataset.is_evolution else (),
        has_equal_intervals=dataset.manifest.has_equal_intervals,
    )


def trained_problem(member: MixtureMember, coefficient_names: Sequence[str]) -> TrainedProblem:
    """Describe the training samples of a data set: its equation, and the range of coefficients.

    Args:
        member: the data set.
        coefficient_names: of the operator, which may take the lead time of trajectories.
    """
    manifest, names = member.dataset.manifest, member.dataset.coefficient_names
    samples = member.subset(np.arange(member.subset.num_samples))
    columns = dict(zip(names, member.dataset.coefficients(samples).T, strict=True))
    if LEAD_TIME in coefficient_names and member.dataset.is_evolution:
        columns[LEAD_TIME] = step_times(member)
    problem = problem_of(member, names)
    return TrainedProblem(
        name=member.name,
        equation=manifest.equation,
        parameters=dict(manifest.equation_parameters),
        coefficient_names=names,
        ranges={
            name: (float(column.min()), float(column.max())) for name, column in columns.items()
        },
        grid=problem.grid,
        input_fields=problem.input_fields,
        output_fields=problem.output_fields,
        state_fields=problem.state_fields,
    )
