"""The processes of a run: those that a launcher has started, or as many as are asked for."""

import os
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer

from lightning_sciml.errors import InputError
from lightning_sciml.launcher import (
    describe_step,
    place,
    reject_other_devices,
    reject_single_node,
    training_launch,
)
from lightning_sciml.streaming.datamodule import PDEDataModule
from lightning_sciml.training.parallelism import data_parallel, explicit_devices, num_devices
from lightning_sciml.training.preflight import checked_nodes


def take_processes(config: Any) -> None:
    """Set nodes, devices and strategy of the trainer.

    Raises:
        InputError: the options ask for other processes than were started.
    """
    trainer = config.trainer
    if started := training_launch(os.environ):
        describe_step(os.environ, started)
        reject_other_devices(started, explicit_devices(trainer))
        trainer.num_nodes, trainer.devices = started.num_nodes, started.num_local
    else:
        reject_single_node(os.environ, trainer.num_nodes)
    num_processes = trainer.num_nodes * num_devices(trainer.devices, trainer.accelerator)
    trainer.strategy = data_parallel(trainer.strategy, num_processes, config.collective_timeout_s)


def nodes_of(config: Any, data: PDEDataModule) -> AbstractContextManager[None]:
    """Check within the block that all nodes see the run's folder and its data sets."""
    started = training_launch(os.environ)
    if started is None or started.num_nodes == 1:
        return nullcontext()
    return checked_nodes(
        place(os.environ),
        num_nodes=started.num_nodes,
        run_dir=Path(config.run_dir),
        datasets=(*data.directories, *data.replay),
        timeout_s=min(config.collective_timeout_s, 120.0),
    )


def reject_fewer_processes(trainer: Trainer) -> None:
    """Raise an InputError where the trainer takes part of the processes that were started."""
    started = training_launch(os.environ)
    if started and trainer.world_size != started.size:
        raise InputError(
            f"the launcher started {started.size} processes ({started}), the trainer takes part of "
            f"{trainer.world_size}; leave num_nodes, devices and strategy to it"
        )
