"""Fine-tuning of a study on data whose channels the pre-trained weights do not fit."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from lightning_sciml.errors import InputError
from lightning_sciml.lists import listed
from lightning_sciml.operators.made_inputs import is_made
from lightning_sciml.operators.network_contract import ChannelNames, channel_axes_of
from lightning_sciml.study.definition.runs import Init, Run
from lightning_sciml.study.definition.study_file import StudyFile
from lightning_sciml.study.execution.channels import ANY_INPUT, ANY_OUTPUT, network_arguments
from lightning_sciml.study.execution.data_options import sets_of
from lightning_sciml.study.execution.run_config import (
    Datasets,
    channels,
    model_options,
    names_of_sets,
)
from lightning_sciml.training.weight_transfer import matches, reject_renamed_fields

Shapes = Mapping[str, tuple[int, ...]]
"""Shapes of the tensors of a network by name, without the axis of channels."""


def shapes_of(network: nn.Module, tensors: Mapping[str, Any]) -> Shapes:
    """List the shapes of tensors by their names in a network; channels are matched by name."""
    axes = channel_axes_of(network)
    return {
        f"network.{name}": tuple(
            size
            for axis, size in enumerate(tensor.shape)
            if name not in axes or axis != axes[name].axis % tensor.dim()
        )
        for name, tensor in tensors.items()
        if isinstance(tensor, torch.Tensor)
    }


def transfer_faults(
    study: StudyFile, runs: Sequence[Run], datasets: Datasets, shapes: Mapping[Run, Shapes]
) -> Iterator[str]:
    """Find runs that cannot take over what the study has pre-trained; shapes are known of some."""
    for run in runs:
        origin = run.pretrained
        if run.init != Init.FINE_TUNE or origin is None or study.given_checkpoint(origin):
            continue
        anew = listed(model_options(study, run).get("reinitialize") or ())
        what = f"fine_tune of {run.pretraining} on {run.datasets[0]}"
        before = _told_names(study, origin, datasets)
        data = names_of_sets(study, run, datasets, sets_of(study, run))
        now = ChannelNames(data.inputs, data.coefficients, data.outputs)
        try:
            reject_renamed_fields(before, now, anew, run.pretraining)
        except InputError as error:
            yield f"{what}: {error}"
            continue
        own, theirs = shapes.get(run, {}), shapes.get(origin, {})
        other = [n for n in own if n in theirs and own[n] != theirs[n] and not matches(n, anew)]
        for name in other[:1]:
            yield (
                f"{what}: models.{run.model} wants {name} {own[name]}, pre-training has "
                f"{theirs[name]}; say in channel_axes of the network which axis runs over "
                "channels, or name the tensor in fine_tune.reinitialize of a recipe"
            )


def _told_names(study: StudyFile, run: Run, datasets: Datasets) -> ChannelNames:
    """Name the channels of data that the network of a run is told."""
    names = channels(study, run, datasets)
    told: Any = network_arguments(study.network_of(run.model)[1], names)
    fields = (name for name in listed(told.get("input_fields", ANY_INPUT)) if not is_made(name))
    outputs = listed(told.get("output_fields", ANY_OUTPUT))
    return ChannelNames(tuple(fields), names.coefficients, tuple(outputs))
