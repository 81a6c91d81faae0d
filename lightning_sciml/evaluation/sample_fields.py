"""The fields of one evaluated sample, and what they are called."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from jaxtyping import Float, Float32
from torch import Tensor

from lightning_sciml.evaluation.lead_times import lead_times
from lightning_sciml.shards.field_panels import spread
from lightning_sciml.streaming.mixture import Batch
from lightning_sciml.streaming.mixture_member import ChannelNames, MixtureMember

MOST_KEPT_STEPS = 6
"""Steps of a rollout that are kept: all of them may be as large as the memory."""


@dataclass(frozen=True, kw_only=True)
class SampleFields:
    """A sample or window with its prediction; channels are those of its data set.

    Attributes:
        inputs: S channels.
        reference: F fields at K steps.
        prediction: of the same.
        coefficients: of the data set, in its order.
        lead_times: of the steps; 0 for a steady problem.
        sample_index: index in the split.
        time_index: number of the last input state among the stored times.
        input_fields: names of the S channels.
        output_fields: names of the F fields.
    """

    inputs: Float32[np.ndarray, "S H W"]
    reference: Float32[np.ndarray, "K F H W"]
    prediction: Float32[np.ndarray, "K F H W"]
    coefficients: Float32[np.ndarray, " c"]
    lead_times: Float[np.ndarray, " K"]
    sample_index: int
    time_index: int
    input_fields: tuple[str, ...]
    output_fields: tuple[str, ...]

    @classmethod
    def of(
        cls,
        prediction: Float[Tensor, "B K F H W"],
        batch: Batch,
        row: int,
        member: MixtureMember,
        most_steps: int = MOST_KEPT_STEPS,
    ) -> Self:
        """Take one row of a batch, in float32: NumPy knows no bfloat16.

        Args:
            prediction: of the batch.
            batch: any.
            row: number in the batch.
            member: data set of that sample.
            most_steps: of a rollout, evenly spread; of a window all are taken.
        """
        outputs, time_index = list(member.output_channels), int(batch.time_index[row])
        is_rollout = member.windows.is_rollout
        steps = spread(member.windows.num_steps, most_steps) if is_rollout else slice(None)
        names = ChannelNames.of(member.dataset, member.windows)
        return cls(
            inputs=_array(batch.inputs[row, list(member.input_channels)]),
            reference=_array(batch.outputs[row][steps][:, outputs]),
            prediction=_array(prediction[row][steps][:, outputs]),
            coefficients=_array(batch.coefficients[row, list(member.columns)]),
            lead_times=lead_times(member, np.array([time_index]))[0][steps],
            sample_index=int(batch.sample_index[row]),
            time_index=time_index,
            input_fields=names.inputs,
            output_fields=names.outputs,
        )


def alike(samples: Mapping[str, SampleFields]) -> dict[str, SampleFields]:
    """Keep the samples, by label, whose references are the same states as those of the first."""
    first = next(iter(samples.values()), None)
    return {
        label: sample
        for label, sample in samples.items()
        if first is not None and np.array_equal(sample.reference, first.reference)
    }


def _array(values: Float[Tensor, "..."]) -> Float32[np.ndarray, "..."]:
    return values.float().cpu().numpy()
