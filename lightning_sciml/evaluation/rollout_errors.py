"""What is measured of a rollout beside its errors: correlation, and whether it leaves all bounds.

"*batch" are trajectories, steps and fields, each by itself.
"""

from collections.abc import Sequence
from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lightning_sciml.evaluation.budget_errors import budget_errors, budgeted
from lightning_sciml.evaluation.metrics import Fields
from lightning_sciml.evaluation.sample_errors import sample_errors
from lightning_sciml.streaming.mixture import Batch
from lightning_sciml.streaming.mixture_member import MixtureMember

REACH = 10.0
"""A prediction leaves all bounds that is further beyond the reference than this many ranges."""
OF_ROLLOUTS = ("correlation", "mean_error")
"""What is measured of rollouts alone."""


def correlation(prediction: Fields, reference: Fields) -> Float[Tensor, "*batch"]:
    """⟨û', u'⟩ / (‖û'‖ ‖u'‖), primes without the mean over the grid.

    0 where û is constant or not finite, NaN where u is constant.
    """
    deviations = [f - f.mean(dim=(-2, -1), keepdim=True) for f in (prediction, reference)]
    norms = [torch.linalg.vector_norm(f.flatten(-2), dim=-1, keepdim=True) for f in deviations]
    units = [f.flatten(-2) / norm for f, norm in zip(deviations, norms, strict=True)]
    cosine = (units[0] * units[1]).sum(dim=-1)
    cosine = cosine.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
    return torch.where(norms[1][..., 0] > 0, cosine, torch.nan)


def mean_error(prediction: Fields, reference: Fields) -> Float[Tensor, "*batch"]:
    """|⟨û⟩ - ⟨u⟩| / √⟨u²⟩, the angle brackets being means over the grid.

    Where an equation conserves the mean, ⟨u⟩ is that at the beginning, and this is the drift of û.
    """
    difference = prediction.mean(dim=(-2, -1)) - reference.mean(dim=(-2, -1))
    return difference.abs() / reference.square().mean(dim=(-2, -1)).sqrt()


def has_left_bounds(
    prediction: Float[Tensor, "B K F H W"], reference: Float[Tensor, "B K F H W"]
) -> Bool[Tensor, "B K"]:
    """Tell from which step on a prediction has left all bounds in one of its fields.

    It has where it is not finite, and where it is beyond the smallest or the largest value of the
    field in the reference, at all steps, by more than REACH times their difference. A field that
    does not vary has no bounds.
    """
    low, high = (getattr(reference, end)(dim=(1, 3, 4))[:, None] for end in ("amin", "amax"))
    reach = torch.where(high > low, REACH * (high - low), torch.inf)
    least, most = prediction.amin(dim=(-2, -1)), prediction.amax(dim=(-2, -1))
    is_finite = least.isfinite() & most.isfinite()
    is_outside = ~(is_finite & (least >= low - reach) & (most <= high + reach))
    return is_outside.any(dim=2).cummax(dim=1).values


def rollout_errors(
    prediction: Float[Tensor, "B K F H W"], batch: Batch, members: Sequence[MixtureMember]
) -> dict[str, Tensor]:
    """Measure rollouts: (B, K, F) of each error, NaN once a rollout has left all bounds.

    Beside them `correlation` and `mean_error`, those of ``budget_errors`` at every field, and as
    `has_left`, (B, K, 1), 1 from the step on at which it has. Arguments as for ``sample_errors``.
    """
    errors = sample_errors(prediction, batch, members)
    shape = prediction.shape[:3]
    names = [*OF_ROLLOUTS, *budgeted(members)]
    errors |= {n: prediction.new_full(shape, torch.nan, dtype=torch.float64) for n in names}
    has_left = torch.zeros(shape[:2], dtype=torch.bool, device=prediction.device)
    for d in batch.dataset.unique().tolist():
        rows, fields = (batch.dataset == d).nonzero()[:, 0], members[d].output_channels
        own = partial(_of_dataset, rows=rows, fields=torch.tensor(fields, device=rows.device))
        pair = own(prediction).double(), own(batch.outputs).double()
        has_left[rows] = has_left_bounds(*pair)
        for name, measure in (("correlation", correlation), ("mean_error", mean_error)):
            for place, values in zip(fields, measure(*pair).unbind(2), strict=True):
                errors[name][rows, :, place] = values
        of_set = batch.map(partial(torch.index_select, dim=0, index=rows))
        for name, values in budget_errors(prediction[rows], of_set, members[d]).items():
            for place in fields:  # of all fields together
                errors[name][rows, :, place] = values
    for name, values in errors.items():
        if name != "correlation":
            values.masked_fill_(has_left[..., None], torch.nan)
    return errors | {"has_left": has_left.double()[..., None]}


def _of_dataset(steps: Tensor, rows: Tensor, fields: Tensor) -> Tensor:
    return steps.index_select(0, rows).index_select(2, fields)
