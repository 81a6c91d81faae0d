"""Spectra of rollouts and of their references, at the first, a middle and the last step."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from torch import Tensor

from lightning_sciml.evaluation.lead_times import lead_times
from lightning_sciml.shards.field_panels import spread
from lightning_sciml.shards.spectra import ring_energies
from lightning_sciml.streaming.mixture import Batch
from lightning_sciml.streaming.mixture_member import MixtureMember

COLUMNS = (
    *("dataset", "field", "lead_time", "wavenumber"),
    *("reference", "prediction", "num_samples"),
)
NUM_STEPS = 3


class Spectra(NamedTuple):
    """Energy in rings of wavenumbers, as ``ring_energies`` has it, of a rollout.

    Attributes:
        dataset: number of the data set.
        sample_index: trajectory in the split.
        lead_times: of the steps.
        energies: of the reference and of the prediction; NaN once it has left all bounds.
    """

    dataset: int
    sample_index: int
    lead_times: Float[np.ndarray, " K"]
    energies: Float[np.ndarray, "2 K F R"]


def rollout_spectra(
    prediction: Float[Tensor, "B K F H W"],
    batch: Batch,
    has_left: Float[Tensor, "B K 1"],
    members: Sequence[MixtureMember],
) -> list[Spectra]:
    """Compute the spectra of the rollouts of a batch.

    Args:
        prediction: û.
        batch: their references.
        has_left: 1 where a rollout has left all bounds.
        members: data sets by `batch.dataset`.
    """
    found = []
    places = zip(batch.dataset.tolist(), batch.sample_index.tolist(), strict=True)
    for row, (d, sample_index) in enumerate(places):
        member = members[d]
        steps, fields = spread(member.windows.num_steps, NUM_STEPS), list(member.output_channels)
        pair = (batch.outputs[row], prediction[row])
        values = np.stack([of[steps][:, fields].double().cpu().numpy() for of in pair])
        is_left = has_left[row, steps, 0].cpu().numpy() > 0
        energies = ring_energies(
            np.where(is_left[:, None, None, None], 0.0, values), member.grid, meets_boundary=True
        )
        energies[:, is_left] = np.nan
        times = lead_times(member, batch.time_index[row : row + 1].cpu().numpy())[0, steps]
        found.append(Spectra(d, sample_index, times, energies))
    return found


def spectra_lines(
    spectra: Sequence[Spectra], members: Sequence[MixtureMember]
) -> Iterator[list[Any]]:
    """List the rows of a table: the mean energy over the rollouts that are within all bounds.

    A wavenumber counts periods in the unit of the grid's lengths.
    """
    yield [*COLUMNS]
    for d, member in enumerate(members):
        own = sorted((s for s in spectra if s.dataset == d), key=lambda s: s.sample_index)
        if not own:
            continue
        energies = np.stack([s.energies for s in own])  # (n, 2, K, F, R)
        wavenumbers = np.arange(energies.shape[-1]) / max(member.grid.lengths)
        for k, lead_time in enumerate(own[0].lead_times):
            kept = energies[~np.isnan(energies[:, 1, k, 0, 0]), :, k]
            for f, name in enumerate(member.dataset.target_fields if len(kept) else ()):
                for wavenumber, reference, prediction in zip(
                    wavenumbers, *kept[:, :, f].mean(axis=0), strict=True
                ):
                    place = [member.name, name, float(lead_time), float(wavenumber)]
                    yield [*place, float(reference), float(prediction), len(kept)]
