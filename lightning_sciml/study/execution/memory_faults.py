"""Runs of a study whose unrolled steps do not fit into the memory of this machine."""

import subprocess
from collections.abc import Iterator

import torch
from lightning.pytorch.cli import instantiate_class

from lightning_sciml.operators.increments import Predicts
from lightning_sciml.operators.neural_operator import NeuralOperator
from lightning_sciml.operators.problem import Problem
from lightning_sciml.operators.unrolling import Unrolling
from lightning_sciml.process_memory import available_memory
from lightning_sciml.study.definition.runs import Init, Run
from lightning_sciml.study.definition.study_file import FNO_CLASS, StudyFile
from lightning_sciml.study.execution.channels import windows_in
from lightning_sciml.study.execution.data_options import data_options
from lightning_sciml.study.execution.run_config import Datasets, budget, model_options, run_config
from lightning_sciml.training.step_memory import StepMemory, memory_fault, on_meta, step_memory


def memory_faults(study: StudyFile, runs: list[Run], datasets: Datasets) -> Iterator[str]:
    """Compare what a training step of each model by each recipe takes with what is free here.

    Networks of ours are measured without memory. Of others `sciml fit` says it. Of the runs of a
    model and a recipe the one with the most points in a batch is looked at.
    """
    measured: dict[tuple[object, ...], StepMemory] = {}
    largest: dict[tuple[str, ...], tuple[int, Run, str]] = {}
    for run in runs:
        unrolled = [n for n in run.datasets if _num_steps(study, run, datasets, n) > 1]
        is_ours = study.network_of(run.model)[0] == FNO_CLASS
        if run.init == Init.ZERO_SHOT or not unrolled or not is_ours:
            continue
        name = max(unrolled, key=lambda n: datasets[n].grid.num_points)
        num_points = _batch_size(study, run, datasets) * datasets[name].grid.num_points
        key = (run.model, run.init, run.recipe)
        if key not in largest or num_points > largest[key][0]:
            largest[key] = (num_points, run, name)
    for _, run, name in largest.values():
        try:
            fault = _fault(study, run, datasets, name, measured)
        except Exception:  # of a network's constructor: the check of configurations names it
            continue
        if fault:
            yield f"{run.name}: {fault}"


def _num_steps(study: StudyFile, run: Run, datasets: Datasets, name: str) -> int:
    return windows_in(data_options(study, run), datasets[name]).num_steps


def _batch_size(study: StudyFile, run: Run, datasets: Datasets) -> int:
    epoch = budget(study, run, datasets).epoch
    return min(epoch.batch_size, epoch.num_samples)


def _fault(
    study: StudyFile,
    run: Run,
    datasets: Datasets,
    name: str,
    measured: dict[tuple[object, ...], StepMemory],
) -> str | None:
    trainer = run_config(study, run, datasets)["trainer"]
    free, num_devices = _free_memory(str(trainer.get("accelerator", "auto")))
    if free is None:
        return None
    if isinstance(devices := trainer.get("devices"), int) and devices > 0:
        num_devices = min(num_devices, devices)
    options, num_steps = model_options(study, run), _num_steps(study, run, datasets, name)
    unrolling = Unrolling(
        gradients=options.get("gradients", "all"),
        checkpoint_steps=options.get("checkpoint_steps", False),
    )
    operator = _operator(study, run, datasets, name)
    shape = datasets[name].grid.shape
    key = (run.model, operator.data_names, operator.predicts, shape, unrolling, num_steps)
    if key not in measured:
        measured[key] = step_memory(on_meta(operator, shape, unrolling), num_steps)
    return memory_fault(
        measured[key],
        num_samples=-(-_batch_size(study, run, datasets) // num_devices),
        num_steps=num_steps,
        free=free,
        is_bounded=unrolling.checkpoint_steps or unrolling.gradients == "last",
    )


def _operator(study: StudyFile, run: Run, datasets: Datasets, name: str) -> NeuralOperator:
    """Make the operator of a run without memory, for one of its data sets."""
    of_network = run_config(study, run, datasets)["model"]["init_args"]["network"]
    with torch.device("meta"):
        network = instantiate_class((), of_network)
        predicts: Predicts = model_options(study, run).get("predicts") or "state"
        operator = NeuralOperator(network, normalization="standard", predicts=predicts)
        problem = Problem(
            name=name,
            equation=None,
            grid=datasets[name].grid,
            columns=(),
            input_fields=operator.input_fields,
            output_fields=operator.output_fields,
            state_fields=operator.output_fields,
        )
        operator.bind([problem])
    return operator


def _free_memory(accelerator: str) -> tuple[float | None, int]:
    """Return the bytes that a device of the runs has free, and how many devices there are.

    None where the runs want a device that this machine lacks. A GPU is asked by another process:
    one that has used it must not fork.
    """
    gpus = _free_of_gpus() if accelerator != "cpu" else []
    if gpus:
        return min(gpus), len(gpus)
    return (available_memory(), 1) if accelerator in ("cpu", "auto") else (None, 1)


def _free_of_gpus() -> list[float]:
    command = ["nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
        return [float(line) * 2**20 for line in told.stdout.split()]
    except (OSError, subprocess.SubprocessError, ValueError):
        return []
