"""Save in each checkpoint where it comes from: data, configuration, versions."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback

from lightning_sciml.checkpoints.files import PROVENANCE
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.streaming.datamodule import pde_data

PACKAGES = ("lightning_sciml", "torch", "lightning", "numpy")


class Provenance(Callback):
    """Puts data sets, configuration and versions into every checkpoint, as plain values.

    Args:
        config: the whole configuration of the run, as YAML.
    """

    def __init__(self, config: str) -> None:
        self.config = config

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add the provenance under its own key."""
        data = pde_data(trainer)
        checkpoint[PROVENANCE] = {
            "datasets": [
                {
                    "name": member.name,
                    "checksum": member.dataset.manifest.checksum,
                    "equation": list(equation(member.dataset.manifest)),
                    "num_train_samples": int(member.subset.num_samples),
                }
                for member in data.mixtures["train"].members
            ],
            "folders": [str(Path(folder)) for folder in data.directories],
            "config": self.config,
            "versions": {name: version(name) for name in PACKAGES},
            "num_steps": trainer.global_step,
        }
        if pretrained := getattr(pl_module, "pretrained_checksum", ""):
            checkpoint[PROVENANCE]["pretrained"] = pretrained


def equation(manifest: Manifest) -> tuple[str, dict[str, Any]]:
    """Return name and parameters of the equation, which the bytes of the shards do not hold."""
    return manifest.equation, dict(manifest.equation_parameters)


def saved_provenance(path: Path) -> dict[str, Any]:
    """Read the provenance of a training checkpoint without its tensors; empty if it has none."""
    content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    return dict(content.get(PROVENANCE, {}))
