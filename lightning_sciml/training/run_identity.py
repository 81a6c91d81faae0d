"""One folder is one run: its configuration is kept there, and another one is refused."""

import functools
import inspect
import operator
import os
from pathlib import Path
from pydoc import locate
from typing import Any

import yaml
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.cli import SaveConfigCallback

from lightning_sciml.errors import InputError
from lightning_sciml.shards.durable import write_whole
from lightning_sciml.training.checkpointing import remove_checkpoints
from lightning_sciml.training.datamodule import PDEDataModule
from lightning_sciml.training.topology import is_restart

CONFIG = "config.yaml"
SAME_ON_RESUME = ("model", "data", "seed_everything")  # another of these is another run
FREE_ON_RESUME = ("verify", "cache", "num_prefetch", "predict_split", "compile")
ABSENT = "nothing"


class SaveRunConfig(SaveConfigCallback):
    """Keeps the full configuration of a run in RUN_DIR/config.yaml; refuses to mix two runs."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write the configuration before anything is trained.

        Raises:
            InputError: the run folder belongs to a run of another model or other data.
        """
        if stage != "fit" or self.already_saved or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        path = Path(self.config.run_dir) / CONFIG
        text = self.parser.dump(self.config, skip_none=False)
        is_resuming = self.config.resume or is_restart(os.environ)
        if path.exists() and is_resuming:
            refuse_another_run(yaml.safe_load(path.read_text()), yaml.safe_load(text), path)
        trainer.strategy.barrier()  # every rank has compared before rank 0 writes
        if trainer.is_global_zero:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not is_resuming:  # what another configuration has left is not to be gone on from
                remove_checkpoints(path.parent / "checkpoints", but=self.config.ckpt_path)
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
