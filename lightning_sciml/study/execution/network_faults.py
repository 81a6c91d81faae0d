"""Networks of a study that do not take, or predict, what the data sets of their runs hold.

Networks of other classes than the FNO say so only when they are built, and called.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from inspect import signature
from typing import Any, NamedTuple

import torch
from torch import nn

from lightning_sciml.errors import InputError
from lightning_sciml.operators import network_contract
from lightning_sciml.streaming.mixture_member import ChannelNames
from lightning_sciml.study.definition.runs import Run
from lightning_sciml.study.definition.study_file import FNO_CLASS, StudyFile
from lightning_sciml.study.execution.channels import (
    ANY_OUTPUT,
    lacking,
    names_of,
    network_arguments,
    new_names,
)
from lightning_sciml.study.execution.data_options import data_options, sets_of
from lightning_sciml.study.execution.run_config import Datasets, channels, run_config
from lightning_sciml.study.execution.transfer_faults import Shapes, shapes_of, transfer_faults

# What the run's own machine has is not known here.
OF_DEVICES = re.compile(r"\b(cuda|gpu|triton|device)", re.IGNORECASE)
LONGEST = 200  # characters of what a network says

Build = Callable[[dict[str, Any], Callable[[nn.Module], None]], str | None]
"""Builds what a configuration names, and hands over its network, unless there is a fault."""


class Sample(NamedTuple):
    """What a data set gives to a network.

    Attributes:
        dataset: its name.
        names: of the channels.
        shape: points of the grid.
    """

    dataset: str
    names: ChannelNames
    shape: tuple[int, int]


def network_faults(
    study: StudyFile, runs: Sequence[Run], datasets: Datasets, build: Build
) -> tuple[list[str], list[Run]]:
    """List networks whose fields, coefficients, or shapes are not those of the data.

    Each network of another class than the FNO is built once for all data sets, and called. What
    `build` rejects is a fault that others name.

    Returns:
        The faults, and the runs whose networks have none.
    """
    runs_of: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        if study.network_of(run.model)[0] != FNO_CLASS:
            runs_of.setdefault(_key(study, run, datasets), []).append(run)
    found: dict[tuple[str, str], str] = {}
    shapes: dict[Run, Shapes] = {}
    for key, own in runs_of.items():
        for network in _built(run_config(study, own[0], datasets), build):
            shapes |= dict.fromkeys(own, shapes_of(network, network.state_dict()))
            samples = dict.fromkeys(s for run in own for s in _samples(study, run, datasets))
            for kind, fault in _unfit(study, own[0], network, list(samples)):
                found.setdefault((key[0], kind), f"models.{key[0]}: {fault}")
    transfers = transfer_faults(study, runs, datasets, shapes)
    models = {model for model, _ in found}
    faults = [*found.values(), *dict.fromkeys(transfers)]
    return faults, [run for run in runs if run.model not in models]


def _built(config: dict[str, Any], build: Build) -> list[nn.Module]:
    """Return the network of a configuration; none where there is a fault.

    The recipe is left out, which would reject a network of other fields in words of its own.
    """
    networks: list[nn.Module] = []
    network = config["model"]["init_args"]["network"]
    model = {
        "class_path": "FineTuningModule",
        "init_args": {"checkpoint": "any", "network": network},
    }
    build({"run_dir": config["run_dir"], "model": model, "data": config["data"]}, networks.append)
    return networks


def _key(study: StudyFile, run: Run, datasets: Datasets) -> tuple[str, str]:
    """Tell what decides a network: the model, and the channels that it is told."""
    arguments = network_arguments(study.network_of(run.model)[1], channels(study, run, datasets))
    return run.model, json.dumps(arguments, sort_keys=True, default=str)


def _samples(study: StudyFile, run: Run, datasets: Datasets) -> Iterator[Sample]:
    data = data_options(study, run)
    for name in sets_of(study, run):
        yield Sample(name, names_of(data, datasets[name]), datasets[name].grid.shape)


def _unfit(
    study: StudyFile, run: Run, network: nn.Module, samples: Sequence[Sample]
) -> Iterator[tuple[str, str]]:
    """Name by kind what a network does not take of the data, and what it makes of them."""
    options, has = study.network_of(run.model)[1], network_contract.channel_names_of(network)
    for sample in samples:
        names, told = sample.names, lacking(options, sample.names)  # of which another fault tells
        parts = (
            ("input_fields", names.inputs, has.fields),
            ("coefficient_names", names.coefficients, has.coefficients),
            ("output_fields", names.outputs, has.outputs),
        )
        fits = not told
        for option, wanted, own in parts:
            is_any = option == "output_fields" and own == ANY_OUTPUT and len(wanted) == 1
            if option not in told and not is_any and new_names(wanted, own):
                fits = False
                remedy = _remedy(run.model, options, network, option, wanted)
                yield (
                    option,
                    f"the network has {option} {list(own)}, {sample.dataset} has "
                    f"{list(wanted)}; {remedy}",
                )
        if fits and (fault := _call_fault(network, has, sample)):
            yield "call", fault


def _remedy(
    model: str, options: Any, network: nn.Module, option: str, wanted: Sequence[str]
) -> str:
    """Say where a network is told the names of its channels."""
    name = type(network).__qualname__
    if option == "coefficient_names" or option in options:  # a study gives those of the data
        return f"let the attribute {option} of {name} be the argument {option} that it is given"
    if option in signature(type(network)).parameters:
        return f"set models.{model}.init_args.{option} to [{', '.join(wanted)}]"
    return f"give {name} the attribute {option}, or an argument of that name to set in the study"


def _call_fault(
    network: nn.Module, has: network_contract.ChannelNames, sample: Sample
) -> str | None:
    """Call a network with fields of zeros, and say why it fails or what is wrong with the answer.

    What it says of a device is not known here: the runs may have it.
    """
    fields = torch.zeros(2, len(has.fields), *sample.shape)
    coefficients = torch.zeros(2, len(has.coefficients))
    try:
        with torch.no_grad():
            network_contract.network_output(network, fields, coefficients, len(has.outputs))
    except InputError as error:
        return str(error)
    except Exception as error:  # a user's network raises what it likes
        text = f"{type(error).__name__}: {error}".splitlines()[0][:LONGEST]
        if OF_DEVICES.search(str(error)):
            return None
        return (
            f"the network fails for inputs {tuple(fields.shape)} and coefficients "
            f"{tuple(coefficients.shape)} of {sample.dataset}: {text}; change its forward, or its "
            "init_args"
        )
    return None
