"""The verbs that train and evaluate: LightningCLI, with one folder a run."""

import functools
import inspect
import logging
import operator
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from pydoc import locate
from typing import Any, Literal

import torch
import yaml
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import LearningRateMonitor
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI, SaveConfigCallback
from lightning.pytorch.loggers import TensorBoardLogger

from lightning_sciml.errors import InputError, OneLineErrors
from lightning_sciml.process_memory import keep_freed_memory
from lightning_sciml.shards.durable import write_whole
from lightning_sciml.training.callbacks import (
    EpochLines,
    ProgressBar,
    RunSummary,
    SeededSteps,
    SolutionPanels,
    Throughput,
)
from lightning_sciml.training.checkpoint_files import read_checkpoint
from lightning_sciml.training.checkpointing import (
    BEST,
    LAST,
    LastCheckpoint,
    WholeFileCheckpointIO,
    best_checkpoint,
    checkpoint_to_resume,
)
from lightning_sciml.training.datamodule import PDEDataModule
from lightning_sciml.training.distributed import cluster_plugins, data_parallel, num_devices
from lightning_sciml.training.evaluation import TestReport
from lightning_sciml.training.finetuning import FineTuningModule
from lightning_sciml.training.prediction import PredictionWriter
from lightning_sciml.training.preemption import PreemptionCheckpoint
from lightning_sciml.training.preflight import check_nodes, place
from lightning_sciml.training.pretraining import PretrainingModule
from lightning_sciml.training.provenance import Provenance
from lightning_sciml.training.topology import topology
from lightning_sciml.training.transfer import load_matching

CONFIG = "config.yaml"
STAGE_DIR = "SCIML_STAGE_DIR"  # a disk in each node, from the site's settings
SAME_ON_RESUME = ("model", "data", "seed_everything")  # another of these is another run
FREE_ON_RESUME = ("verify", "cache", "num_prefetch", "num_workers", "predict_split", "compile")
ABSENT = "nothing"
__all__ = ["FineTuningModule", "PretrainingModule"]  # imported so that their short names resolve


class OneLineParser(OneLineErrors, LightningArgumentParser):
    """LightningCLI's parser with errors of one line."""


class SaveRunConfig(SaveConfigCallback):
    """Keeps the full configuration of a run in RUN_DIR/config.yaml; refuses to mix two runs."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write the configuration before anything is trained.

        Raises:
            InputError: the run folder belongs to a run of another model or other data.
        """
        if stage != "fit" or self.already_saved:
            return
        path = Path(self.config.run_dir) / CONFIG
        text = self.parser.dump(self.config, skip_none=False)
        if path.exists() and self.config.resume:
            refuse_another_run(yaml.safe_load(path.read_text()), yaml.safe_load(text), path)
        trainer.strategy.barrier()  # every rank has compared before rank 0 writes
        if trainer.is_global_zero:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, text)
        self.already_saved = True


def refuse_another_run(saved: dict[str, Any], wanted: dict[str, Any], path: Path) -> None:
    """Raise an InputError that names the first difference in model, data or seed.

    An option that the saved run does not know is newer than the run: its default is what there was.
    """
    before, after = flatten(saved), flatten(wanted)
    for key in sorted({*before, *after}):
        is_bound = key.split(".")[0] in SAME_ON_RESUME and key.split(".")[-1] not in FREE_ON_RESUME
        is_new = key not in before and is_default(wanted, key)
        if is_bound and not is_new and before.get(key, ABSENT) != after.get(key, ABSENT):
            raise InputError(
                f"{path.parent} holds a run with {key}={before.get(key, ABSENT)}, this one has "
                f"{after.get(key, ABSENT)}; give another --run_dir, or --resume false to start over"
            )


def is_default(config: dict[str, Any], key: str) -> bool:
    """Whether a class's option, by its dotted name, is what its constructor takes by default."""
    *above, last = key.split(".")
    value = functools.reduce(operator.getitem, [*above, last], config)
    if above == ["data"]:
        cls: Any = PDEDataModule
    elif above[-1:] == ["init_args"]:
        cls = locate(functools.reduce(operator.getitem, above[:-1], config)["class_path"])
    else:
        return False
    signatures = (inspect.signature(base.__init__).parameters for base in cls.__mro__)
    default = next((s[last].default for s in signatures if last in s), inspect.Parameter.empty)
    return bool(value == (list(default) if isinstance(default, tuple) else default))


def flatten(tree: Any, prefix: str = "") -> dict[str, Any]:
    """Leaves of nested mappings by dotted name."""
    if not isinstance(tree, dict):
        return {prefix: tree}
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        leaves |= flatten(value, f"{prefix}.{key}" if prefix else str(key))
    return leaves


class SciMLCLI(LightningCLI):
    """`sciml fit | validate | test | predict`: everything of a run lies in --run_dir."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the options that belong to the run and not to a class."""
        parser.add_argument(
            "--run_dir", type=str, required=True, help="Folder of the run: all it writes is there."
        )
        parser.add_argument(
            "--resume",
            type=bool,
            default=True,
            help="Go on from RUN_DIR/checkpoints/last.ckpt if it is there.",
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

    def before_instantiate_classes(self) -> None:
        """Set what is the same for all matrices of the process."""
        torch.set_float32_matmul_precision(self.config[self.subcommand].matmul_precision)

    def _parse_ckpt_path(self) -> None:
        """Keep a checkpoint's hyperparameters from overruling the command line."""

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Build the Trainer with this run's logger, callbacks and checkpoint writer."""
        config = self.config_init[self.subcommand]
        run_dir = Path(config.run_dir)
        refuse_unwritable(run_dir)
        if os.environ.get(STAGE_DIR):
            self.datamodule.stage_dir = Path(os.environ[STAGE_DIR])
        config.trainer.default_root_dir = str(run_dir)
        if config.trainer.logger is None:
            config.trainer.logger = False
            if self.subcommand == "fit":
                config.trainer.logger = TensorBoardLogger(run_dir, name="tensorboard", version="")
        callbacks = {
            "fit": lambda: self._fit_callbacks(run_dir),
            "validate": list,
            "test": lambda: [TestReport(run_dir / "test")],
            "predict": lambda: [PredictionWriter(run_dir / "predictions")],
        }[str(self.subcommand)]()
        config.trainer.callbacks = [*(config.trainer.callbacks or []), *callbacks]
        plugins = [WholeFileCheckpointIO(), *cluster_plugins()]
        config.trainer.plugins = [*(config.trainer.plugins or []), *plugins]
        return self._distributed_trainer(config, **kwargs)

    def _distributed_trainer(self, config: Any, **kwargs: Any) -> Trainer:
        """The Trainer over exactly the processes that were started."""
        started = topology(os.environ)
        if started:
            config.trainer.num_nodes, config.trainer.devices = started.num_nodes, started.devices
            self._check_nodes(config, started.num_nodes)
        num_processes = config.trainer.num_nodes * num_devices(
            config.trainer.devices, config.trainer.accelerator
        )
        config.trainer.strategy = data_parallel(
            config.trainer.strategy, num_processes, config.collective_timeout_s
        )
        trainer = super().instantiate_trainer(**kwargs)
        if started and trainer.world_size != started.world_size:
            raise InputError(
                f"the launcher started {started.world_size} processes ({started}), the trainer "
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
        checkpoints = run_dir / "checkpoints"
        best = best_checkpoint(checkpoints)
        callbacks = [
            SeededSteps(config.seed_everything),
            Throughput(),
            best,
            LastCheckpoint(
                checkpoints,
                every_s=60 * config.checkpoint_every_minutes,
                every_n_steps=config.checkpoint_every_n_steps,
            ),
            PreemptionCheckpoint(run_dir, checkpoints / LAST, poll_s=config.poll_s),
            RunSummary(run_dir, best),
            Provenance(self._config_text()),
        ]
        if config.trainer.enable_progress_bar is not False:
            callbacks.append(ProgressBar() if sys.stdout.isatty() else EpochLines())
        if config.trainer.logger is not False:
            callbacks += [LearningRateMonitor("step"), SolutionPanels()]
        return callbacks

    def _config_text(self) -> str:
        return str(self._parser("fit").dump(self.config["fit"], skip_none=False))

    def before_fit(self) -> None:
        """Go on from the last checkpoint of this run folder."""
        config = self.config_init["fit"]
        if config.ckpt_path is None and config.resume:
            newest = checkpoint_to_resume(Path(config.run_dir) / "checkpoints")
            config.ckpt_path = str(newest) if newest else None

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
        path = Path(config.ckpt_path or Path(config.run_dir) / "checkpoints" / BEST)
        if not path.is_file():
            raise InputError(
                f"sciml {verb} needs a checkpoint, nothing is at {path}; "
                "run sciml fit first, or give --ckpt_path"
            )
        checkpoint = read_checkpoint(path)
        load_matching(self.model, checkpoint.weights, path)
        own = list(self.model.coefficient_names)
        told = checkpoint.provenance.get("coefficient_names", own)
        if list(told) != own:
            raise InputError(
                f"the network's coefficient_names are {own}, {path} was trained with {told}; "
                "give them in that order"
            )
        config.ckpt_path = None


def refuse_unwritable(run_dir: Path) -> None:
    """Raise an InputError if nothing can be written below `run_dir`."""
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        probe = run_dir / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(
            f"run_dir must be a folder that can be written, {run_dir} is not ({error.strerror}); "
            "give another --run_dir"
        ) from error


class WithoutNoise(logging.Filter):
    """Drops what Lightning says in every run and no reader can act on."""

    NOISE = ("💡 Tip", "`weights_only` was not set", "TPU available")

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to show the record."""
        return not record.getMessage().startswith(self.NOISE)


def silence_noise() -> None:
    """Keep the dependencies' remarks to themselves off the screen."""
    for name in ("lightning", "lightning.pytorch", "lightning.fabric"):
        for handler in logging.getLogger(name).handlers:
            handler.addFilter(WithoutNoise())
    os.environ.setdefault("JSONARGPARSE_DEPRECATION_WARNINGS", "off")  # Lightning's calls, not ours
    warnings.filterwarnings("ignore", r".*LeafSpec")
    # A compiled network's gradients of some small parameters have strides of their own: one copy.
    warnings.filterwarnings("ignore", r"Grad strides do not match bucket view strides")
    warnings.filterwarnings("ignore", r"The `srun` command is available on your system")
    warnings.filterwarnings("ignore", r"Checkpoint directory .* exists and is not empty")


def main(arguments: Sequence[str]) -> None:
    """Run a verb. Lightning's launcher starts further ranks with the same command line."""
    sys.argv[1:] = arguments
    keep_freed_memory()
    silence_noise()
    try:
        SciMLCLI(
            PretrainingModule,
            PDEDataModule,
            subclass_mode_model=True,
            parser_class=OneLineParser,
            save_config_callback=SaveRunConfig,
            seed_everything_default=0,
            auto_configure_optimizers=False,
            trainer_defaults={"use_distributed_sampler": False, "num_sanity_val_steps": 0},
        )
    finally:
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
