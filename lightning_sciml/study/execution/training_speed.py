"""Measure how fast this machine trains a network of a study, before any run is finished."""

from time import perf_counter
from typing import Any

import torch
from lightning.pytorch.cli import instantiate_class

from lightning_sciml.errors import InputError
from lightning_sciml.study.definition.runs import Run
from lightning_sciml.study.definition.study_file import StudyFile
from lightning_sciml.study.execution.run_config import Datasets, budget, run_config

NUM_STEPS, CPU_BATCH = 5, 8


def training_speed(study: StudyFile, run: Run, datasets: Datasets, num_points: int) -> float:
    """Measure samples per second of forward, backward and Adam on one device, without loading.

    A step of the run's own batch on a GPU; of at most 8 samples on a CPU, where more are no faster.

    Args:
        study: the study.
        run: whose network, batch and precision are taken.
        datasets: facts of its data sets.
        num_points: N of the N × N grid.
    """
    config, plan = run_config(study, run, datasets), budget(study, run, datasets)
    is_cuda = torch.cuda.is_available()
    device = torch.device("cuda" if is_cuda else "cpu")
    batch_size = plan.epoch.batch_size if is_cuda else min(plan.epoch.batch_size, CPU_BATCH)
    network = _network(run.model, config["model"]["init_args"]["network"]).to(device)
    source = torch.randn(batch_size, len(network.input_fields), num_points, num_points)
    coefficients = torch.randn(batch_size, len(network.coefficient_names))
    inputs = (source.to(device), coefficients.to(device))
    optimizer = torch.optim.Adam(network.parameters())
    torch.set_float32_matmul_precision(study.matmul_precision)
    is_bf16 = str(config["trainer"].get("precision", "")).startswith("bf16")

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=is_bf16):
            loss = network(*inputs).square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if is_cuda:
            torch.cuda.synchronize()

    step()
    began = perf_counter()
    for _ in range(NUM_STEPS):
        step()
    return batch_size * NUM_STEPS / (perf_counter() - began)


def _network(model: str, config: dict[str, Any]) -> Any:
    try:
        return instantiate_class((), config)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise InputError(
            f"model {model}: {config['class_path']} cannot be made ({error}); change network or "
            "the arguments under models"
        ) from error
