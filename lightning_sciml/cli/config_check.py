"""Check whether `sciml fit` would take a configuration, without training or writing anything."""

import logging
import sys
import warnings
from collections.abc import Callable
from typing import Any

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.cli import LightningCLI
from torch import nn

from lightning_sciml.cli.fit import CLI_OPTIONS, OperatorModule, PDEDataModule, SciMLCLI
from lightning_sciml.cli.log_noise import silence_noise
from lightning_sciml.cli.setting_errors import first_cause
from lightning_sciml.errors import reported_cause
from lightning_sciml.models.fno import FNO

# What the run's own machine has is not known here.
HERE = {"accelerator": "cpu", "devices": 1, "num_nodes": 1, "strategy": "auto", "logger": False}


class _CheckedCLI(SciMLCLI):
    """Parses a configuration and builds its classes; trains nothing and writes nothing.

    Args:
        use: is given the network.
    """

    def __init__(self, *args: Any, use: Callable[[nn.Module], None] | None, **kwargs: Any) -> None:
        self._use = use
        super().__init__(*args, **kwargs)

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Offer `fit`, whatever verb is typed."""
        return {"fit": LightningCLI.subcommands()["fit"]}

    def _set_seed(self) -> None:
        """Leave the random numbers of this process alone."""

    def before_instantiate_classes(self) -> None:
        """Leave the settings of this process alone."""

    def instantiate_classes(self) -> None:
        """Build the classes in silence; a network of ours, which may be large, without memory."""
        network = self.config[self.subcommand].model.init_args.network
        is_ours = network and network.class_path == f"{FNO.__module__}.{FNO.__qualname__}"
        log, num_threads = logging.getLogger("lightning.pytorch"), torch.get_num_threads()
        level = log.level
        torch.set_num_threads(1)  # a process whose pool of threads has worked must not fork
        with torch.device("meta" if is_ours else "cpu"):
            built = self.parser.instantiate_classes(self.config)[self.subcommand]
        log.setLevel(logging.ERROR)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                built.model.try_optimizer()
                Trainer(**{**built.trainer.as_dict(), **HERE})
                if self._use and (given := built.model.given["network"]) is not None:
                    self._use(given)
        finally:
            torch.set_num_threads(num_threads)
            log.setLevel(level)

    def _run_subcommand(self, subcommand: str) -> None:
        """Run nothing."""


def config_fault(
    config: dict[str, Any], use: Callable[[nn.Module], None] | None = None
) -> str | None:
    """Name what keeps `sciml fit` from starting with a configuration, None if nothing does.

    Data sets and checkpoints, which may yet have to be made, are not looked at.

    Args:
        config: what the file of a ``--config`` holds.
        use: is given the network that is built, unless there is a fault.
    """
    silence_noise()
    arguments, typed = {"subcommand": "fit", "fit": config}, sys.argv
    sys.argv = typed[:1]  # LightningCLI warns of words beside the arguments
    try:
        _CheckedCLI(OperatorModule, PDEDataModule, args=arguments, use=use, **CLI_OPTIONS)
    except Exception as error:  # the constructor of a user's class raises what it likes
        first = first_cause(error)  # jsonargparse wraps it in all that it has tried
        return str(reported_cause(error) or f"{type(first).__name__}: {first}".splitlines()[0])
    finally:
        sys.argv = typed
    return None
