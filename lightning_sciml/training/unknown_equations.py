"""Reject data without an equation where the recipe works by one: one line says all that helps."""

from collections.abc import Sequence
from typing import Any

from lightning.pytorch.utilities import rank_zero_warn

from lightning_sciml.errors import InputError
from lightning_sciml.operators.neural_operator import NeuralOperator
from lightning_sciml.operators.normalizations import NORMALIZATIONS
from lightning_sciml.operators.problem import Problem
from lightning_sciml.pde.named_equation import AnyEquation
from lightning_sciml.pde.steady import Equation

_NEEDED: dict[str, Any] = {"paper": Equation, "dimensionless": AnyEquation}


def reject_unknown_equations(
    problems: Sequence[Problem],
    operator: NeuralOperator,
    *,
    augmentations: Sequence[str] = (),
    is_training: bool = True,
    pretrained: Sequence[str] = (),
    origin: str = "",
) -> None:
    """Raise an InputError for data of no known equation if the recipe needs one.

    Args:
        problems: of the data.
        operator: to be bound to them.
        augmentations: of training samples.
        is_training: the recipe can still be changed.
        pretrained: the equations that a checkpoint was trained on; by default the operator.
        origin: of the checkpoint.
    """
    name = operator.normalization_name
    of_scales = _unknown(problems, _NEEDED.get(name, object))
    of_symmetries = _unknown(problems, AnyEquation)
    changed = {
        "coordinates": operator.coordinates if of_symmetries else (),
        "augmentations": augmentations if of_symmetries else (),
    }
    needing = [f"normalization {name}"] if of_scales else []
    needing += [f"{key} {', '.join(names)}" for key, names in changed.items() if names]
    if not needing:
        return
    unknown = ", ".join(of_scales or of_symmetries)
    pretrained = pretrained or [problem.equation for problem in operator.trained_on]
    known = " or ".join(dict.fromkeys(e for e in pretrained if e != "none"))
    told = f" (that of {origin or 'the operator'})" if known else ""
    message = (
        f"no equation is known of {unknown}, by which {' and '.join(needing)} work; import the "
        f"data again with --equation {known or 'NAME'}{told} if they solve it"
    )
    if is_training:
        options = ["--model.normalization standard"] if of_scales else []
        options += ["--model.statistics downstream"] if of_scales and origin else []
        options += [f"--model.{key} '[]'" for key, names in changed.items() if names]
        poor = ", from scales that the weights have not learnt" if of_scales and origin else ""
        message += f", else train{poor} with {' '.join(options)}"
    raise InputError(message)


def _unknown(problems: Sequence[Problem], known: Any) -> list[str]:
    return [p.name for p in problems if not isinstance(p.equation, known)]


def warn_of_other_answers(before: str, now: str, origin: str) -> None:
    """Warn where a network that has learnt answers of order one is to give those of data, or so."""
    is_scaled = {name: NORMALIZATIONS[name].scales_outputs for name in (before, now)}
    if is_scaled[before] != is_scaled[now]:
        size = {True: "of order one", False: "in the units of the data"}
        like = "standard" if is_scaled[before] else "medians"
        rank_zero_warn(
            f"the network of {origin} has learnt answers {size[is_scaled[before]]} (normalization "
            f"{before}) and is to give answers {size[is_scaled[now]]} ({now}): training starts "
            f"from large errors; set normalization to {like}"
        )
