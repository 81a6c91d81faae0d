"""Fields of a few tested samples, kept for figures: an .npz for each data set."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from lightning_sciml.evaluation.lead_times import lead_times
from lightning_sciml.shards.durable import replacing
from lightning_sciml.streaming.mixture import Batch
from lightning_sciml.streaming.mixture_member import ChannelNames, MixtureMember

NUM_KEPT = 3
"""Samples of each data set; few, as a sample may have many steps of many fields."""


class KeptSamples:
    """The first samples of each data set that a process has seen, with their predictions.

    Args:
        members: data sets by `Batch.dataset`.
    """

    def __init__(self, members: Sequence[MixtureMember]) -> None:
        self._members = members
        self._samples: list[list[dict[str, np.ndarray]]] = [[] for _ in members]

    def add(self, prediction: Float[Tensor, "B K F H W"], batch: Batch) -> None:
        """Keep the samples of a batch whose data set has too few."""
        for row, d in enumerate(batch.dataset.tolist()):
            if len(self._samples[d]) < NUM_KEPT:
                member = self._members[d]
                outputs, columns = list(member.output_channels), list(member.columns)
                kept = {
                    "inputs": batch.inputs[row, list(member.input_channels)],
                    "reference": batch.outputs[row][:, outputs],
                    "prediction": prediction[row][:, outputs],
                    "coefficients": batch.coefficients[row, columns],
                }
                sample = {name: values.float().cpu().numpy() for name, values in kept.items()}
                for name in ("sample_index", "time_index"):
                    sample[name] = getattr(batch, name)[row].cpu().numpy()
                self._samples[d].append(sample)

    def write(self, directory: Path, name: str) -> list[Path]:
        """Write DIRECTORY/NAME.npz; of several data sets, NAME.SET.npz of each.

        `inputs` (n, S, H, W), `reference` and `prediction` (n, K, F, H, W), `coefficients` (n, c),
        `sample_index` (n), `time_index` (n), `lead_times` (n, K); `input_fields` and
        `output_fields` name the S and the F fields.
        """
        paths = []
        for member, samples in zip(self._members, self._samples, strict=True):
            if samples:
                suffix = f".{member.name}.npz" if len(self._members) > 1 else ".npz"
                paths.append(directory / f"{name}{suffix}")
                _write(paths[-1], member, samples)
        return paths


def _write(path: Path, member: MixtureMember, samples: Sequence[dict[str, np.ndarray]]) -> None:
    arrays: dict[str, Any] = {k: np.stack([s[k] for s in samples]) for k in samples[0]}
    names = ChannelNames.of(member.dataset, member.windows)
    arrays["lead_times"] = lead_times(member, arrays["time_index"])
    arrays |= {"input_fields": np.array(names.inputs), "output_fields": np.array(names.outputs)}
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)
