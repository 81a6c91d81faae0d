"""What each part of the second recipe gives: error against downstream examples, by arm and seed.

    python benchmarks/recipe.py --pretraining data/poisson_1_5 --downstream data/poisson_5_10 \
        --arms paper all --seeds 0 1 2 --output results.csv

Pre-trains a small FNO by each arm, then tests it on its own distribution and, zero-shot, on the
downstream one, and fine-tunes it there on few examples; from-scratch runs beside. The weights after
the last step are tested: nothing is selected on data that a user with few examples would not have.
Rows that are in the table already are not made again.
"""

import argparse
import csv
import logging
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch

from lightning_sciml.models.fno import FNO
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.training.datamodule import PDEDataModule
from lightning_sciml.training.finetuning import FineTuningModule
from lightning_sciml.training.pretraining import PretrainingModule

ARMS: dict[str, dict[str, Any]] = {
    "paper": {},
    "scaling": {"normalization": "dimensionless"},
    "symmetries": {"augment": True},
    "relative_l2": {"loss": "relative_l2"},
    "all": {"normalization": "dimensionless", "augment": True, "loss": "relative_l2"},
    "canonical": {
        "normalization": "dimensionless",
        "augment": True,
        "canonicalize": True,
        "loss": "relative_l2",
    },
}
COLUMNS = (
    *("pretraining", "downstream", "arm", "seed", "init", "num_examples", "symmetrized"),
    *("relative_l2", "num_steps", "cpu_ms_per_step"),
)
BATCH_SIZE, TEST_BATCH_SIZE, NUM_TEST_BATCHES = 16, 32, 4
PRETRAINING_RATE, FINE_TUNING_RATE, SCRATCH_RATE = 2e-3, 1e-3, 3e-3
SYMMETRIZED = ("pretrained", "zero_shot", "fine_tune")


class Table:
    """Rows of the CSV file, each written when it is known."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists():
            path.write_text(",".join(COLUMNS) + "\n")
        with path.open(newline="") as file:
            self._done = {self._key(row) for row in csv.DictReader(file)}

    def _key(self, row: dict[str, Any]) -> tuple[str, ...]:
        return tuple(str(row[name]) for name in COLUMNS[:7])

    def has(self, **key: Any) -> bool:
        """Whether the row is there, symmetrized or not."""
        return self._key({**key, "symmetrized": False}) in self._done

    def add(self, **row: Any) -> None:
        """Write a row."""
        with self.path.open("a", newline="") as file:
            csv.DictWriter(file, COLUMNS).writerow(row)
        print(row, flush=True)


class Experiment:
    """Runs of one arm and seed.

    Args:
        options: of the command line.
        network: compiled once, and given new weights by every run.
        arm: key of ``ARMS``.
        seed: of the weights, the order of samples, and the choice of examples.
        table: where rows go.
    """

    def __init__(
        self, options: argparse.Namespace, network: FNO, arm: str, seed: int, table: Table
    ) -> None:
        self.options, self.network, self.arm, self.seed = options, network, arm, seed
        self.table = table
        self.key = {
            "pretraining": options.pretraining.name,
            "downstream": options.downstream.name,
            "arm": arm,
            "seed": seed,
        }

    def run(self) -> None:
        """Everything that is not in the table yet."""
        checkpoint = self.options.checkpoints / "-".join(map(str, self.key.values()))
        if not checkpoint.exists():
            module = PretrainingModule(self.network, **self.training(PRETRAINING_RATE))
            trainer = self.fit(module, self.options.pretraining, None, self.options.steps)
            trainer.save_checkpoint(checkpoint)
            self.report(module, self.options.pretraining, "pretrained", 0)
            self.report(module, self.options.downstream, "zero_shot", 0)
        for num_examples in self.options.examples:
            if not self.table.has(**self.key, init="fine_tune", num_examples=num_examples):
                rate = self.training(FINE_TUNING_RATE)
                tuned = FineTuningModule(self.network, checkpoint=str(checkpoint), **rate)
                self.downstream(tuned, "fine_tune", num_examples)
        for num_examples in self.options.scratch:
            if not self.table.has(**self.key, init="scratch", num_examples=num_examples):
                module = PretrainingModule(self.network, **self.training(SCRATCH_RATE))
                self.downstream(module, "scratch", num_examples)

    def training(self, rate: float) -> dict[str, Any]:
        """Arguments of a module."""
        return {**ARMS[self.arm], "optimizer": lambda p: torch.optim.Adam(p, lr=rate)}

    def downstream(self, module: PretrainingModule, init: str, num_examples: int) -> None:
        """Train on a few examples and test."""
        self.fit(module, self.options.downstream, num_examples, self.options.tuning_steps)
        self.report(module, self.options.downstream, init, num_examples)

    def fit(
        self, module: PretrainingModule, folder: Path, num_samples: int | None, num_steps: int
    ) -> pl.Trainer:
        """Train with the seed's weights, order and examples."""
        pl.seed_everything(self.seed, verbose=False)
        self.network.load_state_dict(FNO(**self.options.size).state_dict())
        data = PDEDataModule(
            [str(folder)],
            batch_size=BATCH_SIZE,
            num_train_samples=num_samples,
            subset_seed=self.seed,
            seed=self.seed,
            cache="memory",
            verify="none",
        )
        trainer = quiet_trainer(max_steps=num_steps, max_epochs=-1, limit_val_batches=0)
        clock = CPUClock()
        trainer.callbacks.append(clock)
        trainer.fit(module, data)
        self.num_steps = num_steps
        self.cpu_ms_per_step = 1e3 * clock.elapsed_s / num_steps
        return trainer

    def report(self, module: PretrainingModule, folder: Path, init: str, num_examples: int) -> None:
        """Test, with and without the mean over symmetries."""
        data = PDEDataModule([str(folder)], batch_size=TEST_BATCH_SIZE, verify="none")
        for symmetrized in (False, True) if init in SYMMETRIZED else (False,):
            module.symmetrize = symmetrized
            trainer = quiet_trainer(limit_test_batches=NUM_TEST_BATCHES)
            (metrics,) = trainer.test(module, data, verbose=False)
            self.table.add(
                **self.key,
                init=init,
                num_examples=num_examples,
                symmetrized=symmetrized,
                relative_l2=f"{metrics['test/relative_l2']:.6g}",
                num_steps=self.num_steps,
                cpu_ms_per_step=f"{self.cpu_ms_per_step:.1f}",
            )
        module.symmetrize = False


class CPUClock(pl.Callback):
    """Processor time of the steps of a run, which other processes do not lengthen."""

    elapsed_s = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start."""
        self._started_at = time.process_time()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop."""
        self.elapsed_s = time.process_time() - self._started_at


def quiet_trainer(**options: Any) -> pl.Trainer:
    """A trainer on one CPU that leaves nothing behind."""
    return pl.Trainer(
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        **options,
    )


def arguments() -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pretraining", type=Path, required=True, help="folder of a data set")
    parser.add_argument("--downstream", type=Path, required=True, help="folder of a data set")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--examples", nargs="*", type=int, default=[4, 16, 64, 256])
    parser.add_argument("--scratch", nargs="*", type=int, default=[16, 256])
    parser.add_argument("--steps", type=int, default=2500, help="of pre-training")
    parser.add_argument("--tuning_steps", type=int, default=300, help="of a downstream run")
    parser.add_argument("--channels", type=int, default=20)
    parser.add_argument("--modes", type=int, default=10)
    parser.add_argument("--eager", action="store_true", help="do not compile: for short runs")
    parser.add_argument("--output", type=Path, default=Path("results.csv"))
    parser.add_argument("--checkpoints", type=Path, default=Path(tempfile.gettempdir()))
    return parser.parse_args()


def main() -> None:
    """All seeds of an arm after another, arms innermost: a table cut short has whole seeds."""
    options = arguments()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    torch._dynamo.config.automatic_dynamic_shapes = False  # few batch sizes, each compiled once
    names = Manifest.load(options.pretraining).coefficient_names
    options.size = {
        "num_channels": options.channels,
        "num_modes": options.modes,
        "coefficient_names": names,
    }
    options.checkpoints.mkdir(parents=True, exist_ok=True)
    network = FNO(**options.size)
    if not options.eager:
        network.compile()
    table = Table(options.output)
    for seed in options.seeds:
        for arm in options.arms:
            Experiment(options, network, arm, seed, table).run()


if __name__ == "__main__":
    main()
