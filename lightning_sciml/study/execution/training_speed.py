"""Measure how fast this machine trains the networks of a study, before any run is finished."""

from collections.abc import Callable
from time import perf_counter

import torch
from lightning.pytorch.cli import instantiate_class

from lightning_sciml.study.definition.runs import Run
from lightning_sciml.study.definition.study_file import StudyFile
from lightning_sciml.study.execution.channels import windows_in
from lightning_sciml.study.execution.data_options import data_options
from lightning_sciml.study.execution.run_config import Datasets, budget, run_config

NUM_STEPS, CPU_BATCH = 5, 8


def speed_here(
    study: StudyFile, runs: list[Run], datasets: Datasets, say: Callable[[str], None]
) -> dict[str, float]:
    """Measure samples per second of training, without loading, by model on one device.

    A step of the run's own batch on a GPU; of at most 8 samples on a CPU, where more are no faster.
    """
    speed = {}
    for run in {run.model: run for run in reversed(runs)}.values():
        say(f"timing a training step of {run.model}")
        speed[run.model] = _training_speed(study, run, datasets)
    return speed


def _training_speed(study: StudyFile, run: Run, datasets: Datasets) -> float:
    config = run_config(study, run, datasets)
    is_cuda = torch.cuda.is_available()
    device = torch.device("cuda" if is_cuda else "cpu")
    batch_size = budget(study, run, datasets).epoch.batch_size
    batch_size = batch_size if is_cuda else min(batch_size, CPU_BATCH)
    network = instantiate_class((), config["model"]["init_args"]["network"]).to(device)
    num_fields = len(getattr(network, "input_fields", ("source",)))
    grid = datasets[run.datasets[0]].grid
    num_steps = windows_in(data_options(study, run), datasets[run.datasets[0]]).num_steps
    source = torch.randn(batch_size, num_fields, *grid.shape)
    coefficients = torch.randn(batch_size, len(network.coefficient_names))
    inputs = (source.to(device), coefficients.to(device))
    optimizer = torch.optim.Adam(network.parameters())
    torch.set_float32_matmul_precision(study.matmul_precision)
    is_bf16 = str(config["trainer"].get("precision", "")).startswith("bf16")
    for step in range(NUM_STEPS + 1):
        if step == 1:  # the first one also allocates
            began = perf_counter()
        with torch.autocast(device.type, torch.bfloat16, enabled=is_bf16):
            loss = torch.stack([network(*inputs).square().sum() for _ in range(num_steps)]).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if is_cuda:
            torch.cuda.synchronize()
    return batch_size * NUM_STEPS / (perf_counter() - began)
