"""Time the networks of a study at their solves: steps of the operator, on one core."""

import hashlib
import inspect
import json
from collections.abc import Iterator
from contextlib import contextmanager
from time import process_time
from typing import Any

import numpy as np
import torch
from lightning.pytorch.cli import instantiate_class
from torch import Tensor

from lightning_sciml.operators.description import problem_of
from lightning_sciml.operators.neural_operator import NeuralOperator
from lightning_sciml.shards.reader import ShardedDataset
from lightning_sciml.streaming.mixture_member import ChannelNames, Drawn, member_of, read_windows
from lightning_sciml.streaming.windows import LEAD_TIME
from lightning_sciml.study.definition.runs import Run
from lightning_sciml.study.definition.study_file import StudyFile
from lightning_sciml.study.execution.costs import NetworkCost
from lightning_sciml.study.execution.judged_windows import JudgedWindows
from lightning_sciml.study.execution.run_config import Datasets, run_config

BATCH_SIZES = (1, 4, 16, 64)
MOST_POINTS = 1 << 20  # of the grids of a batch: larger batches are no faster
MOST_STEPS = 8  # that are timed; all of a rollout take equally long
WORTH = 0.97  # of the time: a larger batch that takes more is no better


def operator_options(study: StudyFile, run: Run, datasets: Datasets) -> dict[str, Any]:
    """Return the arguments of the run's operator, its network as class and arguments."""
    given = run_config(study, run, datasets)["model"]["init_args"]
    names = inspect.signature(NeuralOperator).parameters
    return {name: given[name] for name in names if given.get(name) is not None}


def fingerprint(options: dict[str, Any]) -> str:
    """Name a configuration of an operator: equal ones take equally long."""
    text = json.dumps(options, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def network_cost(
    name: str,
    options: dict[str, Any],
    dataset: ShardedDataset,
    judged: JudgedWindows,
    num_repeats: int,
) -> NetworkCost:
    """Time an operator with new weights, which take as long as trained ones, at its best batch.

    Each batch is timed `num_repeats` times, after one solve that is not.
    """
    network = instantiate_class((), options["network"])
    operator = NeuralOperator(network, **{k: v for k, v in options.items() if k != "network"})
    given = _inputs(operator, dataset, judged)
    most = max(1, MOST_POINTS // dataset.grid.num_points)
    found: list[NetworkCost] = []
    with _one_thread(), torch.no_grad():
        for batch_size in (size for size in BATCH_SIZES if size <= most):
            elapsed_s = _elapsed(operator.eval(), given, judged, batch_size, num_repeats)
            found.append(NetworkCost(name=name, batch_size=batch_size, elapsed_s=elapsed_s))
            *before, last = (float(np.median(cost.elapsed_s)) for cost in found)
            if before and last > WORTH * min(before):
                break
    return min(found, key=lambda cost: float(np.median(cost.elapsed_s)))


def _elapsed(
    operator: NeuralOperator,
    given: tuple[Tensor, Tensor],
    judged: JudgedWindows,
    batch_size: int,
    num_repeats: int,
) -> list[float]:
    rows = torch.arange(batch_size) % len(given[0])
    inputs, coefficients = (values[rows] for values in given)
    num_steps = min(judged.windows.num_steps, MOST_STEPS)
    share = judged.windows.num_steps / num_steps / batch_size
    elapsed_s = []
    for _ in range(num_repeats + 1):
        started_at = process_time()
        operator.unroll(inputs, coefficients, num_steps=num_steps)
        elapsed_s.append((process_time() - started_at) * share)
    return elapsed_s[1:]


def _inputs(
    operator: NeuralOperator, dataset: ShardedDataset, judged: JudgedWindows
) -> tuple[Tensor, Tensor]:
    """Read inputs and coefficients in the operator's order; what the data lack is zero."""
    own = ChannelNames.of(dataset, judged.windows)
    member = member_of(dataset, judged.windows, own)
    operator.bind([problem_of(member, operator.coefficient_names)])
    windows, samples = judged.windows, judged.samples
    num_outputs = windows.num_steps * len(dataset.target_fields)
    shape = (len(samples), len(own.inputs) + num_outputs, *dataset.grid.shape)
    fields = np.empty(shape, np.float32)
    drawn = Drawn(samples, samples, judged.starts, judged.strides)
    read_windows(dataset, drawn, member.locate(drawn), windows.num_states, fields)
    inputs = torch.zeros(shape[0], len(operator.input_fields), *dataset.grid.shape)
    for name, values in zip(own.inputs, fields.swapaxes(0, 1), strict=False):
        inputs[:, operator.input_fields.index(name)] = torch.from_numpy(values)
    coefficients = torch.zeros(shape[0], len(operator.coefficient_names))
    columns = dict(zip(dataset.coefficient_names, dataset.coefficients(samples).T, strict=True))
    columns[LEAD_TIME] = member.lead_time(judged.time_index, judged.strides)
    for place, name in enumerate(operator.coefficient_names):
        if name in columns:
            coefficients[:, place] = torch.from_numpy(columns[name])
    return inputs, coefficients


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
