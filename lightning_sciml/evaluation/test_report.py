"""The report of a test: a table of samples, a JSON of their means and quantiles."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from lightning_sciml.evaluation.budget_errors import BUDGET_ERRORS
from lightning_sciml.evaluation.error_statistics import PLACE, ErrorTable
from lightning_sciml.evaluation.kept_samples import KeptSamples
from lightning_sciml.evaluation.metrics import METRICS
from lightning_sciml.evaluation.outcome import EvaluationCallback, end_if_terminated, say
from lightning_sciml.evaluation.rollout_errors import rollout_errors
from lightning_sciml.evaluation.rollout_spectra import Spectra, rollout_spectra, spectra_lines
from lightning_sciml.evaluation.rollout_statistics import (
    rollout_columns,
    rollout_outcome,
    rollout_report,
)
from lightning_sciml.evaluation.sample_errors import sample_errors
from lightning_sciml.json_files import json_text, read_json
from lightning_sciml.pde.named_equation import conserved_means
from lightning_sciml.shards.dataset_names import checksums, joined, reject_overwriting
from lightning_sciml.shards.durable import replacing, write_whole
from lightning_sciml.shards.figure_style import FigureFormat
from lightning_sciml.shards.movie import MovieFormat, movie_writer
from lightning_sciml.streaming.datamodule import pde_data
from lightning_sciml.streaming.mixture import Batch
from lightning_sciml.streaming.mixture_member import MixtureMember

T = TypeVar("T")
OF_EQUATIONS = [
    *(name for m in METRICS if m.takes == "equation" for name in m.names),
    *BUDGET_ERRORS,
]
"""Metrics of which most data sets have no value."""


class TestReport(EvaluationCallback):
    """Writes DIRECTORY/NAME.json and NAME.csv after ``sciml test``.

    NAME is the data set's, or those of a mixture joined by "+"; a mixture is also summed up by set,
    several fields by field, several steps by step. A report on another data set of that name is not
    written over; `checksums` tells them apart. NAME.npz holds the fields of the first samples that
    rank 0 has seen, see ``KeptSamples``. Of rollouts NAME ends in "-rollout"; one that leaves all
    bounds is counted.
    """

    __test__ = False  # not a test, whatever its name suggests to pytest

    def __init__(
        self,
        directory: Path,
        movie: MovieFormat | None = None,
        formats: Sequence[FigureFormat] = ("png",),
    ) -> None:
        self.directory, self._movie, self._formats = directory, movie, formats
        self._members: Sequence[MixtureMember] = ()
        self._fields: tuple[str, ...] = ()
        self._is_rollout = False
        self._kept = KeptSamples(())
        self._batches: list[dict[str, Tensor]] = []
        self._spectra: list[Spectra] = []  # of rollouts

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Find out before the test whether its report may be written.

        Raises:
            InputError: it is of another data set of the same name.
        """
        mixture = pde_data(trainer).mixtures["test"]
        self._members, self._fields = mixture.members, mixture.output_fields
        self._is_rollout = self._members[0].windows.is_rollout
        if self._movie:
            movie_writer(self._movie)  # there is one
        self._kept = KeptSamples(self._members, self._movie, self._formats)
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
        measure = rollout_errors if self._is_rollout else sample_errors
        errors = measure(outputs, batch, self._members)
        if self._is_rollout:
            self._spectra += rollout_spectra(outputs, batch, errors["has_left"], self._members)
        errors |= {name: getattr(batch, name) for name in PLACE}
        self._batches.append({name: values.cpu() for name, values in errors.items()})
        if trainer.is_global_zero:
            self._kept.add(outputs, batch)

    def on_test_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Collect all ranks' samples, once each, in the data set's order; write on rank 0."""
        num_steps = max(member.windows.num_steps for member in self._members)
        own = {
            name: torch.cat([_with_steps(b[name], num_steps) for b in self._batches])
            for name in self._batches[0]
        }
        self._batches = []
        shares = _of_all_ranks(trainer, own)
        spectra = _of_all_ranks(trainer, self._spectra) if self._is_rollout else []
        self._spectra = [one for share in spectra for one in share]
        if trainer.is_global_zero:
            arrays = {name: torch.cat([share[name] for share in shares]).numpy() for name in own}
            self._write(ErrorTable.of(arrays, self._fields, self._members))

    def _path(self, suffix: str) -> Path:
        return self.directory / f"{self._name}{suffix}"

    @property
    def _name(self) -> str:
        return joined([m.name for m in self._members]) + "-rollout" * self._is_rollout

    def _write(self, table: ErrorTable) -> None:
        names = [m.name for m in self._members]
        summed_up = rollout_report if self._is_rollout else ErrorTable.report
        report = summed_up(table)
        by_set = {name: summed_up(table.part(table.dataset == d)) for d, name in enumerate(names)}
        for member in self._members if self._is_rollout else ():
            by_set[member.name]["conserved_means"] = conserved_means(member.equation)
        more: dict[str, Any] = {"datasets": by_set}
        if len(names) == 1:
            report, more = by_set[names[0]], {}
        told = {**report, "checksums": checksums([m.dataset for m in self._members]), **more}
        self.directory.mkdir(parents=True, exist_ok=True)
        write_whole(self._path(".json"), json_text(told, indent=2))
        _write_table(self._path(".csv"), _lines(table, names))
        if self._is_rollout:
            _write_table(self._path("-spectra.csv"), spectra_lines(self._spectra, self._members))
        npz = self._kept.write(self.directory, self._name)
        drawn = self._kept.draw(self.directory, self._name) if self._is_rollout else []
        everything = {"all together": report} if len(names) > 1 else {}
        kinds = {m.name: _kind([m]) for m in self._members} | {"all together": _kind(self._members)}
        lines = [measured(n, found, kinds[n]) for n, found in {**by_set, **everything}.items()]
        lines += [f"errors: {self._path('.json')}", f"errors by sample: {self._path('.csv')}"]
        lines += [f"spectra: {self._path('-spectra.csv')}"] if self._is_rollout else []
        lines += [f"some samples' fields: {path}" for path in npz]
        say([*lines, *(f"frames: {path}" for path in drawn)])


def _of_all_ranks(trainer: pl.Trainer, own: T) -> list[T]:
    """Collect an object of each process."""
    if trainer.world_size == 1:
        return [own]
    shares: list[Any] = [None] * trainer.world_size
    torch.distributed.all_gather_object(shares, own)
    return shares


def _write_table(path: Path, lines: Iterable[Sequence[Any]]) -> None:
    with replacing(path) as temporary, temporary.open("w", newline="") as file:
        csv.writer(file).writerows(lines)


def _with_steps(values: Tensor, num_steps: int) -> Tensor:
    """Give errors (B, k, F) the steps that other batches have, as NaN."""
    missing = num_steps - values.shape[1] if values.ndim == 3 else 0
    return pad(values, (0, 0, 0, missing), value=torch.nan) if missing else values


def _lines(table: ErrorTable, names: Sequence[str]) -> Iterator[list[Any]]:
    """List the rows of the table of samples: the mean of each error, and of each field's."""
    columns = table.means()
    for place, name in enumerate(table.fields if len(table.fields) > 1 else ()):
        of_field = table.part(fields=slice(place, place + 1)).means()
        columns |= {
            f"{metric}/{name}": values
            for metric, values in of_field.items()
            if metric not in OF_EQUATIONS or not np.isnan(values).all()
        }
    columns |= {} if table.has_left is None else rollout_columns(table)
    yield [*PLACE, *columns]
    places = (getattr(table, name) for name in PLACE)
    for d, index, time, *values in zip(*places, *columns.values(), strict=True):
        yield [names[d], index, time, *(repr(float(v)) for v in values)]


def _kind(members: Sequence[MixtureMember]) -> str:
    """Name what is counted of these data sets."""
    if members[0].windows.is_rollout:
        return "rollouts"
    return "windows" if all(m.dataset.is_evolution for m in members) else "samples"


def measured(name: str, report: Mapping[str, Any], kind: str = "samples") -> str:
    """Format the errors of one data set, or of all together, as a line."""
    begin = f"{name}, test split, {report['num_samples']:,} {kind}"
    error, told = report.get("relative_l2", {}), rollout_outcome(report)
    if error.get("mean") is None:
        return f"{begin}: relative L2 error not defined{told}"
    return (
        f"{begin}: relative L2 error {error['mean']:.4g} on average, "
        f"median {error['median']:.4g}, largest {error['max']:.4g}{told}"
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
