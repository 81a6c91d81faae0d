"""The verbs that train and evaluate: LightningCLI, with one folder a run."""

import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

import torch
import yaml
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import LearningRateMonitor
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI

from lightning_sciml.checkpoints.exact_resume import ExactResume
from lightning_sciml.checkpoints.files import read_checkpoint
from lightning_sciml.checkpoints.folder_guard import FolderGuard, reject_unwritable
from lightning_sciml.checkpoints.operator_files import operator_of
from lightning_sciml.checkpoints.preemption import PreemptionCheckpoint
from lightning_sciml.checkpoints.provenance import Provenance, saved_provenance
from lightning_sciml.checkpoints.run_identity import (
    reject_another_function,
    reject_another_run,
)
from lightning_sciml.checkpoints.run_logger import RunLogger
from lightning_sciml.checkpoints.writing import (
    BestCheckpoint,
    LastCheckpoint,
    WholeFileCheckpointIO,
    checkpoint_to_resume,
    given_state,
)
from lightning_sciml.cli.common_options import OPTIONS, with_common_options
from lightning_sciml.cli.log_noise import silence_noise
from lightning_sciml.cli.null_options import reject_null_arguments, reject_nulls
from lightning_sciml.cli.setting_errors import setting_error
from lightning_sciml.errors import InputError
from lightning_sciml.evaluation.outcome import ValidationReport
from lightning_sciml.evaluation.predictions import PredictionWriter
from lightning_sciml.evaluation.test_report import TestReport
from lightning_sciml.launcher import (
    describe_step,
    is_restart,
    place,
    reject_other_devices,
    reject_single_node,
    training_launch,
)
from lightning_sciml.lists import listed
from lightning_sciml.option_parser import OneLineErrors
from lightning_sciml.paths import expand_options, expanded
from lightning_sciml.process_memory import keep_freed_memory
from lightning_sciml.run_folder import RunFolder
from lightning_sciml.streaming.datamodule import PDEDataModule
from lightning_sciml.study.execution.lifeline import follow_first_rank
from lightning_sciml.training.callback_conflicts import has_progress_bar, reject_conflicts
from lightning_sciml.training.early_stopping import EndedEarly
from lightning_sciml.training.finetuning import FineTuningModule
from lightning_sciml.training.module import OperatorModule, PretrainingModule
from lightning_sciml.training.parallelism import (
    cluster_plugins,
    data_parallel,
    explicit_devices,
    num_devices,
)
from lightning_sciml.training.preflight import check_nodes
from lightning_sciml.training.progress import (
    EpochLines,
    ProgressBar,
    RunSummary,
    SeededSteps,
    SolutionPanels,
    Throughput,
)
from lightning_sciml.training.readable_state import ReadableState
from lightning_sciml.training.trainer_options import reject_invalid, reject_null_groups

STAGE_DIR = "SCIML_STAGE_DIR"  # a disk in each node, from the site's settings
__all__ = ["FineTuningModule", "PretrainingModule"]  # imported so that their short names resolve


class OneLineParser(OneLineErrors, LightningArgumentParser):
    """LightningCLI's parser with errors of one line."""

    NOT_REPEATED = ("trainer.",)

    def format_help(self, *args: Any) -> str:
        """Show first the options that most runs set."""
        verb, full_help = self.prog.split()[-1], str(super().format_help(*args))
        return with_common_options(verb, full_help) if verb in OPTIONS else full_help


class SciMLCLI(LightningCLI):
    """`sciml fit | validate | test | predict`: everything of a run lies in --run_dir."""

    _folder: FolderGuard | None = None  # of a training that is kept

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the options that belong to the run and not to a class."""
        parser.add_argument(
            "--run_dir", type=str, required=True, help="Folder of the run: all it writes is there."
        )
        parser.add_argument(
            "--resume",
            type=bool,
            default=True,
            help="Resume from RUN_DIR/checkpoints/last.ckpt if it is there; false starts over and "
            "removes what sciml wrote before: checkpoints, curves, tests and predictions. What "
            "SLURM or torchrun start again is resumed in any case.",
        )
        parser.add_argument(
            "--checkpoint_every_n_steps",
            type=int | None,
            default=None,
            help="Write last.ckpt at multiples of this many steps, too.",
        )
        parser.add_argument(
            "--checkpoint_every_minutes",
            type=float,
            default=1.0,
            help="Write last.ckpt so often, looked at every ten steps.",
        )
        parser.add_argument(
            "--poll_s",
            type=float,
            default=2.0,
            help="Seconds between two looks for a request to stop (a signal, STOP_REQUESTED).",
        )
        parser.add_argument(
            "--collective_timeout_s",
            type=float,
            default=600.0,
            help="End the run if a process waits for the others for so long; more than the longest "
            "write of a checkpoint.",
        )
        parser.add_argument(
            "--matmul_precision",
            type=Literal["highest", "high", "medium"],
            default="highest",
            help="Of products of float32 matrices: high takes TF32 on a GPU: faster, 11 bits.",
        )

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse, and refuse what makes no sense before anything is started."""
        super().parse_arguments(parser, args)
        config = self.config[self.config.subcommand]
        reject_null_groups(config, "trainer", "data")
        for name in ("datasets", "replay", "weights"):  # config.yaml has one form
            if config.data[name] is not None:
                config.data[name] = listed(config.data[name])
        expand_options(config)
        reject_nulls(config.model, "model")
        reject_null_arguments(config.data, PDEDataModule, "data")
        reject_invalid(config)

    def before_instantiate_classes(self) -> None:
        """Set what is the same for all matrices of the process."""
        torch.set_float32_matmul_precision(self.config[self.subcommand].matmul_precision)

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
        reject_unwritable(run_dir)
        if os.environ.get(STAGE_DIR):
            self.datamodule.stage_dir = expanded(os.environ[STAGE_DIR])
        config.trainer.default_root_dir = str(run_dir)
        if self.subcommand != "fit":  # a logger would write over the curves of the training
            config.trainer.logger = False
        elif config.trainer.logger is None:
            config.trainer.logger = RunLogger(run_dir)
        callbacks = {
            "fit": lambda: self._fit_callbacks(run_dir),
            "validate": lambda: [ValidationReport()],
            "test": lambda: [TestReport(folder.tests)],
            "predict": lambda: [PredictionWriter(folder.predictions)],
        }[str(self.subcommand)]()
        config.trainer.callbacks = [*(config.trainer.callbacks or []), *callbacks]
        if started := training_launch(os.environ):
            describe_step(os.environ, started)
        plugins = [WholeFileCheckpointIO(), *cluster_plugins()]
        config.trainer.plugins = [*(config.trainer.plugins or []), *plugins]
        return self._distributed_trainer(config, **kwargs)

    def _distributed_trainer(self, config: Any, **kwargs: Any) -> Trainer:
        """The Trainer over exactly the processes that were started."""
        started = training_launch(os.environ)
        if started:
            reject_other_devices(started, explicit_devices(config.trainer))
            config.trainer.num_nodes, config.trainer.devices = started.num_nodes, started.num_local
            self._check_nodes(config, started.num_nodes)
        else:
            reject_single_node(os.environ, config.trainer.num_nodes)
        num_processes = config.trainer.num_nodes * num_devices(
            config.trainer.devices, config.trainer.accelerator
        )
        if self.subcommand == "fit":
            self.datamodule.reject_uneven_shares(num_processes)
        config.trainer.strategy = data_parallel(
            config.trainer.strategy, num_processes, config.collective_timeout_s
        )
        trainer = super().instantiate_trainer(**kwargs)
        if started and trainer.world_size != started.size:
            raise InputError(
                f"the launcher started {started.size} processes ({started}), the trainer "
                f"takes part of {trainer.world_size}; leave num_nodes, devices and strategy to it"
            )
        return trainer

    def _check_nodes(self, config: Any, num_nodes: int) -> None:
        if num_nodes > 1:
            check_nodes(
                place(os.environ),
                num_nodes=num_nodes,
                run_dir=Path(config.run_dir),
                datasets=(*self.datamodule.directories, *self.datamodule.replay),
                timeout_s=min(config.collective_timeout_s, 120.0),
            )

    def _fit_callbacks(self, run_dir: Path) -> list[Any]:
        config = self.config_init[self.subcommand]
        callbacks = [SeededSteps(config.seed_everything), Throughput()]
        if not config.trainer.fast_dev_run:  # it tries the program and leaves nothing behind
            callbacks += self._callbacks_that_keep_the_run(config, run_dir)
        shows_progress = config.trainer.enable_progress_bar is not False
        if shows_progress and not has_progress_bar(config.trainer.callbacks):
            callbacks.append(ProgressBar() if sys.stdout.isatty() else EpochLines())
        if config.trainer.logger is not False:
            callbacks += [LearningRateMonitor("step"), SolutionPanels()]
        return callbacks

    def _callbacks_that_keep_the_run(self, config: Any, run_dir: Path) -> list[Any]:
        checkpoints = RunFolder(run_dir).checkpoints
        reject_conflicts(config.trainer, checkpoints)
        best = BestCheckpoint(checkpoints)
        self._folder = FolderGuard(
            run_dir,
            self._config_text(),
            starts_over=not (config.resume or is_restart(os.environ)),
            but=config.ckpt_path,
        )
        return [
            self._folder,
            ReadableState(),
            ExactResume(),
            EndedEarly(),
            best,
            LastCheckpoint(
                checkpoints,
                every_s=60 * config.checkpoint_every_minutes,
                every_n_steps=config.checkpoint_every_n_steps,
            ),
            PreemptionCheckpoint(run_dir, RunFolder(run_dir).last, poll_s=config.poll_s),
            RunSummary(run_dir, best),
            Provenance(self._config_text()),
        ]

    def _config_text(self) -> str:
        verb = str(self.subcommand)
        return str(self._parser(verb).dump(self.config[verb], skip_none=False))

    def _run_subcommand(self, subcommand: str) -> None:
        """Run the verb; training keeps other trainings out of its folder meanwhile."""
        with self._folder.held(self.trainer) if self._folder else nullcontext():
            super()._run_subcommand(subcommand)

    def before_fit(self) -> None:
        """Resume from the last checkpoint of this folder, if it is of this run."""
        config, run_dir = self.config_init["fit"], Path(self.config_init["fit"].run_dir)
        is_restarted, newest = is_restart(os.environ), None
        if (config.resume or is_restarted) and self._folder and not self._folder.is_taken:
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
        path = Path(config.ckpt_path or RunFolder(config.run_dir).best)
        if not path.exists():
            raise InputError(
                f"sciml {verb} needs a checkpoint, nothing is at {path}; "
                "run sciml fit first, or give --ckpt_path"
            )
        checkpoint = read_checkpoint(path)
        reject_another_function(checkpoint, yaml.safe_load(self._config_text()), path)
        self.model.evaluate(operator_of(checkpoint, path, network=self.model.given_network()))
        config.ckpt_path = None


CLI_OPTIONS: dict[str, Any] = {
    "subclass_mode_model": True,
    "parser_class": OneLineParser,
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
