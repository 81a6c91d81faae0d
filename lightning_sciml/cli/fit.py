"""The verbs that train and evaluate: LightningCLI, with one folder a run."""

import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
import yaml
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import Logger, TensorBoardLogger

from lightning_sciml.checkpoints.files import best_of_run, read_checkpoint
from lightning_sciml.checkpoints.folder_guard import FolderGuard, reject_unwritable
from lightning_sciml.checkpoints.provenance import saved_provenance
from lightning_sciml.checkpoints.resumption import checkpoint_to_resume, given_state
from lightning_sciml.checkpoints.run_identity import reject_another_function, reject_another_run
from lightning_sciml.checkpoints.writing import WholeFileCheckpointIO
from lightning_sciml.cli.log_noise import silence_noise
from lightning_sciml.cli.null_options import reject_null_arguments, reject_nulls
from lightning_sciml.cli.run_callbacks import (
    evaluation_callback,
    keeping_callbacks,
    reject_idle_movie,
    showing_callbacks,
)
from lightning_sciml.cli.run_options import RunOptions, RunParser
from lightning_sciml.cli.run_processes import nodes_of, reject_fewer_processes, take_processes
from lightning_sciml.cli.setting_errors import setting_error
from lightning_sciml.errors import InputError
from lightning_sciml.launcher import is_restart
from lightning_sciml.lists import listed
from lightning_sciml.paths import expand_options, expanded
from lightning_sciml.process_memory import keep_freed_memory
from lightning_sciml.released_operators import checkpoint_path, is_release
from lightning_sciml.run_folder import RunFolder
from lightning_sciml.streaming.datamodule import PDEDataModule
from lightning_sciml.study.execution.lifeline import follow_first_rank
from lightning_sciml.trackers.placement import LoggerMaker, give_defaults
from lightning_sciml.training.finetuning import FineTuningModule
from lightning_sciml.training.module import OperatorModule, PretrainingModule
from lightning_sciml.training.parallelism import cluster_plugins
from lightning_sciml.training.progress import SeededSteps, Throughput
from lightning_sciml.training.trainer_options import (
    name_devices,
    reject_invalid,
    reject_null_groups,
)

STAGE_DIR = "SCIML_STAGE_DIR"  # a disk in each node, from the site's settings
__all__ = ["FineTuningModule", "PretrainingModule"]  # imported so that their short names resolve


class SciMLCLI(LightningCLI):
    """`sciml fit | validate | test | predict`: everything of a run lies in --run_dir."""

    _guard: FolderGuard | None = None  # of a training that is kept

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Offer the verb that is typed: parsers of the others would take a tenth of a second."""
        return {verb: LightningCLI.subcommands()[verb] for verb in sys.argv[1:2]}

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the options that belong to the run and not to a class."""
        parser.add_class_arguments(RunOptions, None)
        give_defaults(RunFolder(""))

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse, and reject invalid values before anything is started."""
        super().parse_arguments(parser, args)
        config = self.config[self.config.subcommand]
        reject_null_groups(config, "trainer", "data")
        for name in ("datasets", "replay", "weights"):  # config.yaml has one form
            if config.data[name] is not None:
                config.data[name] = listed(config.data[name])
        expand_options(config)
        name_devices(config)
        reject_nulls(config.model, "model")
        reject_null_arguments(config.data, PDEDataModule, "data")
        reject_invalid(config)

    def before_instantiate_classes(self) -> None:
        """Set what is the same for all matrices of the process, and where loggers write."""
        config = self.config[self.subcommand]
        torch.set_float32_matmul_precision(config.matmul_precision)
        may_resume = config.resume or is_restart(os.environ)
        is_resuming = may_resume and RunFolder(config.run_dir).last.exists()
        maker = LoggerMaker(Path(config.run_dir), is_resuming=is_resuming)
        self.parser.add_instantiator(maker, Logger)

    def instantiate_classes(self) -> None:
        """Make model, data and trainer; a value that one of them rejects is an InputError."""
        try:
            super().instantiate_classes()
        except Exception as error:
            if (about_setting := setting_error(error, of_constructors=True)) is None:
                raise
            raise about_setting from error

    def _parse_ckpt_path(self) -> None:
        """Keep a checkpoint's hyperparameters from overruling the command line."""

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Build the Trainer with this run's logger, callbacks and checkpoint writer."""
        config = self.config_init[self.subcommand]
        run_dir = Path(config.run_dir)
        folder = RunFolder(run_dir)
        reject_idle_movie(str(self.subcommand), config)
        reject_unwritable(run_dir)
        if os.environ.get(STAGE_DIR):
            self.datamodule.stage_dir = expanded(os.environ[STAGE_DIR])
        config.trainer.default_root_dir = str(run_dir)
        if self.subcommand != "fit":  # a logger would write over the curves of the training
            config.trainer.logger = False
        elif config.trainer.logger in (None, True):
            config.trainer.logger = TensorBoardLogger(run_dir, folder.curves.name, version="")
        callbacks = (
            self._training_callbacks(config)
            if self.subcommand == "fit"
            else [self._evaluation_callback(config)]
        )
        config.trainer.callbacks = [*(config.trainer.callbacks or []), *callbacks]
        plugins = [WholeFileCheckpointIO(), *cluster_plugins()]
        config.trainer.plugins = [*(config.trainer.plugins or []), *plugins]
        take_processes(config)
        trainer = super().instantiate_trainer(**kwargs)
        reject_fewer_processes(trainer)
        if self.subcommand == "fit":
            self.datamodule.reject_uneven_shares(trainer.world_size)
        return trainer

    def _evaluation_callback(self, config: Any) -> Callback:
        """Make the callback of a verb that does not train."""
        folder = RunFolder(Path(config.run_dir))
        return evaluation_callback(
            str(self.subcommand), folder, config.movie, config.figure_formats
        )

    def _training_callbacks(self, config: Any) -> list[Callback]:
        callbacks: list[Callback] = [SeededSteps(config.seed_everything), Throughput()]
        if config.ckpt_path:
            config.ckpt_path = str(best_of_run(Path(config.ckpt_path)))
        if not config.trainer.fast_dev_run:  # it tries the program and leaves nothing behind
            text = self._config_text()
            self._guard = FolderGuard(
                Path(config.run_dir),
                text,
                starts_over=not (config.resume or is_restart(os.environ)),
                but=config.ckpt_path,
            )
            callbacks += keeping_callbacks(config, self._guard, text)
        return callbacks + showing_callbacks(config)

    def _config_text(self) -> str:
        verb = str(self.subcommand)
        return str(self._parser(verb).dump(self.config[verb], skip_none=False))

    def _run_subcommand(self, subcommand: str) -> None:
        """Run the verb; training keeps other trainings out of its folder meanwhile."""
        guarded = self._guard.held(self.trainer) if self._guard else nullcontext()
        with nodes_of(self.config_init[subcommand], self.datamodule), guarded:
            super()._run_subcommand(subcommand)

    def before_fit(self) -> None:
        """Resume from the last checkpoint of this folder, if it is of this run."""
        config, run_dir = self.config_init["fit"], Path(self.config_init["fit"].run_dir)
        is_restarted, newest = is_restart(os.environ), None
        if self._guard and not (self._guard.starts_over or self._guard.is_taken):
            newest = checkpoint_to_resume(RunFolder(run_dir).checkpoints)
            if newest:
                wanted = yaml.safe_load(self._config_text())
                reject_another_run(saved_provenance(newest), wanted, run_dir)
            if newest and (is_restarted or config.ckpt_path is None):
                config.ckpt_path = str(newest)
        if config.ckpt_path and not Path(config.ckpt_path).exists():
            raise InputError(f"ckpt_path must be a checkpoint, nothing is at {config.ckpt_path}")
        if config.ckpt_path and config.ckpt_path != str(newest):
            # here, as sharded weights are read past WholeFileCheckpointIO
            given_state(Path(config.ckpt_path), mmap=True)

    def before_test(self) -> None:
        """Use this run's best checkpoint unless another is named."""
        self._evaluated_checkpoint("test")

    def before_validate(self) -> None:
        """Use this run's best checkpoint unless another is named."""
        self._evaluated_checkpoint("validate")

    def before_predict(self) -> None:
        """Use this run's best checkpoint unless another is named."""
        self._evaluated_checkpoint("predict")

    def _evaluated_checkpoint(self, verb: str) -> None:
        config = self.config_init[verb]
        path = best_of_run(checkpoint_path(config.ckpt_path or RunFolder(config.run_dir).best))
        if not path.exists():
            raise InputError(
                f"sciml {verb} needs a checkpoint, nothing is at {path}; "
                "run sciml fit first, or give --ckpt_path"
            )
        checkpoint = read_checkpoint(path)
        try:
            reject_another_function(checkpoint, yaml.safe_load(self._config_text()), path)
            self.model.evaluate(checkpoint, path)
        except InputError as error:
            if verb != "test" or not is_release(path):
                raise
            given = ", ".join(self.config[verb].data.datasets)
            line = f"sciml test {config.ckpt_path} --datasets '[{given}]'"
            raise InputError(f"{error}; `{line}` tests a released operator as it is") from error
        config.ckpt_path = None


CLI_OPTIONS: dict[str, Any] = {
    "subclass_mode_model": True,
    "parser_class": RunParser,
    "save_config_callback": None,  # FolderGuard keeps it
    "seed_everything_default": 0,
    "auto_configure_optimizers": False,
    "trainer_defaults": {"use_distributed_sampler": False, "num_sanity_val_steps": 0},
}


def main(arguments: Sequence[str]) -> None:
    """Run a verb. Lightning's launcher starts further ranks with the same command line."""
    sys.argv[1:] = arguments
    follow_first_rank(os.environ)
    keep_freed_memory()
    silence_noise()
    try:
        SciMLCLI(OperatorModule, PDEDataModule, **CLI_OPTIONS)
    except Exception as error:
        if (about_setting := setting_error(error)) is None:
            raise
        raise about_setting from error
    finally:
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
