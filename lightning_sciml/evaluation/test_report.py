"""Errors of every test sample: a table of samples, a JSON of their means and quantiles."""

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from lightning_sciml.evaluation.metrics import METRICS, Metric
from lightning_sciml.evaluation.outcome import EvaluationCallback, end_if_terminated, say
from lightning_sciml.json_files import json_text, read_json
from lightning_sciml.shards.dataset_names import checksums, joined, reject_overwriting
from lightning_sciml.shards.durable import replacing, write_whole
from lightning_sciml.streaming.datamodule import pde_data
from lightning_sciml.streaming.mixture import Batch
from lightning_sciml.streaming.mixture_member import MixtureMember

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def sample_errors(
    prediction: Float[Tensor, "B 1 H W"], batch: Batch, members: Sequence[MixtureMember]
) -> dict[str, Float[Tensor, " B"]]:
    """Measure each sample by all METRICS, in float64.

    Args:
        prediction: û.
        batch: the samples, with their solutions and coefficients.
        members: data sets by `batch.dataset`.
    """
    prediction, reference = prediction.double(), batch.outputs[:, 0].double()
    errors: dict[str, Tensor] = {}
    for metric in METRICS:
        if metric.needs_equation:
            values = _by_equation(metric, prediction, batch, members)
        else:
            values = metric.of_samples(prediction, reference)
        columns = values.T if values.ndim == 2 else values[None]
        errors |= dict(zip(metric.names, columns, strict=True))
    return errors


def _by_equation(
    metric: Metric,
    prediction: Float[Tensor, "B 1 H W"],
    batch: Batch,
    members: Sequence[MixtureMember],
) -> Float[Tensor, " B"]:
    """Measure the samples of each data set by its equation; NaN where none is known."""
    values = prediction.new_full((len(prediction),), torch.nan)
    for d in batch.dataset.unique().tolist():
        rows, equation = batch.dataset == d, members[d].equation
        if equation is not None:
            values[rows] = metric.of_samples(
                prediction[rows],
                batch.inputs[rows][:, list(members[d].input_channels)].double(),
                batch.coefficients[rows][:, list(members[d].columns)].double(),
                equation,
            )
    return values


def summary(errors: dict[str, np.ndarray]) -> dict[str, Any]:
    """Compute mean, median, quantiles and largest value of each error over samples.

    What needs an equation is measured over the samples that have one, if there are any. Where an
    error of some sample is not finite, all its values are None, and ``reason`` says why.
    """
    is_finite, known = np.isfinite(errors["relative_l2"]), dict(errors)
    for name in (n for m in METRICS if m.needs_equation for n in m.names if n in errors):
        known[name] = errors[name][~np.isnan(errors[name]) | ~is_finite]
    return {
        "num_samples": len(is_finite),
        **{name: _statistics(name, values) for name, values in known.items() if len(values)},
    }


def _statistics(name: str, values: Float[np.ndarray, " n"]) -> dict[str, Any]:
    num_undefined = np.count_nonzero(~np.isfinite(values))
    if not num_undefined:
        return {
            "mean": float(values.mean()),
            "median": float(np.median(values)),
            "quantiles": {str(q): float(np.quantile(values, q)) for q in QUANTILES},
            "max": float(values.max()),
        }
    causes = [m.undefined_where for m in METRICS if name in m.names and m.undefined_where]
    causes.append("the reference it is divided by is zero, or the prediction is not finite")
    return {
        **dict.fromkeys(("mean", "median", "max")),
        "quantiles": {str(q): None for q in QUANTILES},
        "reason": f"not finite for {num_undefined} of {len(values)} samples: {', '.join(causes)}",
    }


class TestReport(EvaluationCallback):
    """Writes DIRECTORY/NAME.json and NAME.csv after ``sciml test``.

    NAME is the data set's, or those of a mixture joined by "+"; a mixture is also summed up by set.
    A report on another data set of that name is not written over; `checksums` tells them apart.
    NAME.npz holds the fields of the first samples of each set that rank 0 has seen.
    """

    __test__ = False  # not a test, whatever its name suggests to pytest
    NUM_FIELDS = 3

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._members: Sequence[MixtureMember] = ()
        self._batches: list[dict[str, Tensor]] = []
        self._fields: list[dict[str, np.ndarray]] = []

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Find out before the test whether its report may be written.

        Raises:
            InputError: it is of another data set of the same name.
        """
        self._members = pde_data(trainer).mixtures["test"].members
        path = self._path(".json")
        reject_overwriting(path, saved_checksums(path), [m.dataset for m in self._members])

    def on_test_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Measure one batch."""
        end_if_terminated(trainer)
        errors = sample_errors(outputs[:, 0], batch, self._members)
        errors |= {"dataset": batch.dataset, "sample_index": batch.sample_index}
        self._batches.append({name: values.cpu() for name, values in errors.items()})
        if trainer.is_global_zero:
            self._keep_fields(outputs, batch)

    def _keep_fields(self, prediction: Float[Tensor, "B K F H W"], batch: Batch) -> None:
        num_kept = Counter(int(fields["dataset"]) for fields in self._fields)
        for row, dataset in enumerate(batch.dataset.tolist()):
            if num_kept[dataset] < self.NUM_FIELDS:
                num_kept[dataset] += 1
                sample = {  # in float32: NumPy knows no bfloat16
                    "source": batch.inputs[row, 0].float(),
                    "reference": batch.outputs[row, 0, 0].float(),
                    "prediction": prediction[row, 0, 0].float(),
                    "coefficients": batch.coefficients[row].float(),
                    "dataset": batch.dataset[row],
                    "sample_index": batch.sample_index[row],
                }
                self._fields.append({k: v.cpu().numpy() for k, v in sample.items()})

    def on_test_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Collect all ranks' samples, once each, in the data set's order; write on rank 0."""
        own = {name: torch.cat([b[name] for b in self._batches]) for name in self._batches[0]}
        self._batches = []
        shares: list[Any] = [own]
        if trainer.world_size > 1:
            shares = [None] * trainer.world_size
            torch.distributed.all_gather_object(shares, own)
        if trainer.is_global_zero:
            table = {name: torch.cat([share[name] for share in shares]).numpy() for name in own}
            order = np.lexsort((table["sample_index"], table["dataset"]))
            self._write({name: values[order] for name, values in table.items()})

    def _path(self, suffix: str) -> Path:
        return self.directory / (joined([m.name for m in self._members]) + suffix)

    def _write(self, table: dict[str, np.ndarray]) -> None:
        dataset: Int[np.ndarray, " n"] = table.pop("dataset")
        sample_index = table.pop("sample_index")
        names = [m.name for m in self._members]
        report = summary(table)
        by_set = {
            name: summary({k: v[dataset == d] for k, v in table.items()})
            for d, name in enumerate(names)
        }
        more = {"datasets": by_set} if len(names) > 1 else {}
        told = {**report, "checksums": checksums([m.dataset for m in self._members]), **more}
        self.directory.mkdir(parents=True, exist_ok=True)
        write_whole(self._path(".json"), json_text(told, indent=2))
        with replacing(self._path(".csv")) as temporary, temporary.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["dataset", "sample_index", *table])
            rows = zip(dataset, sample_index, *table.values(), strict=True)
            writer.writerows(
                [names[d], i, *(repr(float(v)) for v in values)] for d, i, *values in rows
            )
        fields: dict[str, Any] = {
            k: np.stack([sample[k] for sample in self._fields]) for k in self._fields[0]
        }
        with replacing(self._path(".npz")) as temporary, temporary.open("wb") as file:
            np.savez(file, **fields)
        self._fields = []
        everything = {"all together": report} if len(names) > 1 else {}
        lines = [measured(name, found) for name, found in {**by_set, **everything}.items()]
        texts = {".json": "errors", ".csv": "errors by sample", ".npz": "some samples' fields"}
        say([*lines, *(f"{text}: {self._path(suffix)}" for suffix, text in texts.items())])


def measured(name: str, report: Mapping[str, Any]) -> str:
    """Format the errors of one data set, or of all together, as a line."""
    error = report["relative_l2"]
    return (
        f"{name}, test split, {report['num_samples']:,} samples: relative L2 error "
        f"{error['mean']:.4g} on average, median {error['median']:.4g}, "
        f"largest {error['max']:.4g}"
    )


@dataclass(frozen=True)
class _Saved:
    checksums: dict[str, str] = field(default_factory=dict)


def saved_checksums(path: Path) -> dict[str, str]:
    """Read the checksums of the data sets that a report is of; none where there is no report.

    Raises:
        InputError: the report is damaged or not a file.
    """
    try:
        return read_json(path, _Saved, remedy="delete it and test again").checksums
    except FileNotFoundError:
        return {}
