"""Measure a released operator on a test split, the same way for its card and for its test."""

import hashlib
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import yaml

from lightning_sciml.checkpoints.files import Checkpoint, read_checkpoint
from lightning_sciml.errors import InputError
from lightning_sciml.evaluation.test_report import TestReport
from lightning_sciml.json_files import read_json
from lightning_sciml.releases.card import Metric
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.streaming.datamodule import PDEDataModule
from lightning_sciml.training.module import OperatorModule

BATCH_SIZE = 16
_WINDOWS = ("history", "stride")


def measured_metrics(operator: Path, dataset: Path, directory: Path) -> tuple[Metric, ...]:
    """Predict the test split of a data set on one CPU device.

    Args:
        operator: folder of the operator.
        dataset: folder of the data set.
        directory: folder of the reports: a table of samples and their statistics.

    Raises:
        InputError: the operator does not take these data.
    """
    manifest, windows = Manifest.load(dataset), window_options(read_checkpoint(operator))
    report, checksum = _tested(operator, dataset, directory, manifest.name, windows)
    kind = "windows of one step" if manifest.is_evolution else "samples"
    told = {"csv_sha256": checksum}
    error = report["relative_l2"]
    if error["mean"] is None:
        raise InputError(
            f"the operator has no finite error on {manifest.name}; leave the set out, or train "
            "with a lower learning rate"
        )
    found = [
        Metric(
            type="relative_l2",
            name=f"mean relative L² error of {report['num_samples']} {kind}",
            value=error["mean"],
            args=told,
        ),
        Metric(type="relative_l2_max", name="largest of them", value=error["max"], args=told),
    ]
    if manifest.is_evolution:
        name, options = f"{manifest.name}-rollout", {**windows, "rollout": "all"}
        found += _of_rollouts(*_tested(operator, dataset, directory, name, options))
    return tuple(found)


def window_options(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return the options of the data that the operator was trained with and is tested with."""
    data = yaml.safe_load(checkpoint.provenance.get("config", "")) or {}
    return {name: data["data"][name] for name in _WINDOWS if name in data.get("data", {})}


def _tested(
    operator: Path, dataset: Path, directory: Path, name: str, options: dict[str, Any]
) -> tuple[dict[str, Any], str]:
    """Return the report of a test, and the SHA-256 of its table of samples."""
    module = OperatorModule.load_from_checkpoint(operator)
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=1,
        logger=False,
        callbacks=[TestReport(directory)],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    data = PDEDataModule([str(dataset)], batch_size=BATCH_SIZE, **options)
    trainer.test(module, datamodule=data, verbose=False)
    report = read_json(directory / f"{name}.json", dict[str, Any], remedy="test again")
    table = (directory / f"{name}.csv").read_bytes()
    return report, hashlib.sha256(table).hexdigest()


def _of_rollouts(report: dict[str, Any], checksum: str) -> list[Metric]:
    """Sum up rollouts from the first stored states to the last."""
    told, number = {"csv_sha256": checksum}, report["num_samples"]
    num_lost = report["blow_up"]["num_blown_up"]
    lost = Metric(
        type="rollouts_lost",
        name=f"of {number} rollouts those that leave all bounds",
        value=num_lost,
        args=told,
    )
    error = report.get("relative_l2", {}).get("mean")
    if error is None:  # all are lost
        return [lost]
    name = f"mean relative L² error of {number} rollouts over all stored times"
    return [Metric(type="rollout_relative_l2", name=name, value=error, args=told), lost]
