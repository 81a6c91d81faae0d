"""Errors of samples by field and step."""

from collections.abc import Sequence
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from lightning_sciml.evaluation.metrics import METRICS, Metric
from lightning_sciml.pde.steady import Equation
from lightning_sciml.pde.walls import has_continuation
from lightning_sciml.streaming.mixture import Batch
from lightning_sciml.streaming.mixture_member import MixtureMember


def sample_errors(
    prediction: Float[Tensor, "B K F H W"], batch: Batch, members: Sequence[MixtureMember]
) -> dict[str, Float[Tensor, "B K F"]]:
    """Measure each field at each step by all METRICS, in float64; NaN where it is not defined.

    Args:
        prediction: û, fields in the order of the batch.
        batch: the samples, with their outputs and coefficients.
        members: data sets by `batch.dataset`.
    """
    shape = prediction.shape[:3]
    errors = {
        name: prediction.new_full(shape, torch.nan, dtype=torch.float64)
        for metric in METRICS
        for name in metric.names
    }
    for d in batch.dataset.unique().tolist():
        rows = (batch.dataset == d).nonzero()[:, 0]
        own = batch.map(partial(torch.index_select, dim=0, index=rows))
        for metric in METRICS:
            values = _measured(metric, prediction[rows].double(), own, members[d])
            columns = values.unbind(-1) if values.ndim == 4 else (values,)
            for name, column in zip(metric.names, columns, strict=True):
                for place, field in zip(members[d].output_channels, column.unbind(2), strict=True):
                    errors[name][rows, :, place] = field
    return errors


def _measured(
    metric: Metric,
    prediction: Float[Tensor, "B K F H W"],
    batch: Batch,
    member: MixtureMember,
) -> Float[Tensor, "B K f ..."]:
    """Measure the fields of one data set, by its grid or its equation where that is needed."""
    fields = list(member.output_channels)
    prediction, reference = prediction[:, :, fields], batch.outputs[:, :, fields].double()
    if metric.takes == "reference":
        return metric.of_fields(prediction, reference)
    if metric.takes == "grid":
        return metric.of_fields(prediction, reference, member.grid)
    equation = _equation_of_residual(member)
    if equation is None:
        return prediction.new_full(prediction.shape[:3], torch.nan)
    values = metric.of_fields(
        prediction[:, 0],
        batch.inputs[:, list(member.input_channels)].double(),
        batch.coefficients[:, list(member.columns)].double(),
        equation,
        member.grid.boundary,
    )
    return values[:, None, None]


def _equation_of_residual(member: MixtureMember) -> Equation | None:
    """Return the steady equation whose residual can be computed: of one output, on its grid."""
    if not isinstance(member.equation, Equation) or len(member.output_channels) > 1:
        return None
    is_steady = member.windows.history == 0
    return member.equation if is_steady and has_continuation(member.grid.boundary) else None
