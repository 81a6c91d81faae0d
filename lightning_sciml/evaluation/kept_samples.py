"""Fields of a few tested samples, kept for figures: an .npz for each data set."""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import BadZipFile

import numpy as np
from jaxtyping import Float
from torch import Tensor

from lightning_sciml.errors import InputError
from lightning_sciml.evaluation.rollout_frames import rollout_frames, write_rollout_movie
from lightning_sciml.evaluation.sample_fields import SampleFields
from lightning_sciml.evaluation.solution_panels import Panel
from lightning_sciml.shards.durable import replacing
from lightning_sciml.shards.figure_style import FigureFormat, save_figure
from lightning_sciml.shards.movie import MovieFormat, movie_writer
from lightning_sciml.streaming.mixture import Batch
from lightning_sciml.streaming.mixture_member import MixtureMember

NUM_KEPT = 3
"""Samples of each data set; few, as a sample may have many steps of many fields."""
MOST_FRAMES = 200
NAMES = ("input_fields", "output_fields")


class KeptSamples:
    """The first samples of each data set that a process has seen, with their predictions.

    Args:
        members: data sets by `Batch.dataset`.
        movie: keep as many steps of a rollout of each as a movie has.
        formats: of figures.
    """

    def __init__(
        self,
        members: Sequence[MixtureMember],
        movie: MovieFormat | None = None,
        formats: Sequence[FigureFormat] = ("png",),
    ) -> None:
        self._members, self._movie, self._formats = members, movie, formats
        self._samples: list[list[SampleFields]] = [[] for _ in members]
        self._filmed: list[list[SampleFields]] = [[] for _ in members]

    def add(self, prediction: Float[Tensor, "B K F H W"], batch: Batch) -> None:
        """Keep the samples of a batch whose data set has too few."""
        for row, d in enumerate(batch.dataset.tolist()):
            if len(self._samples[d]) < NUM_KEPT:
                sample = SampleFields.of(prediction, batch, row, self._members[d])
                self._samples[d].append(sample)
            if self._movie and not self._filmed[d]:
                filmed = SampleFields.of(prediction, batch, row, self._members[d], MOST_FRAMES)
                self._filmed[d].append(filmed)

    def write(self, directory: Path, name: str) -> list[Path]:
        """Write DIRECTORY/NAME.npz; of several data sets, NAME.SET.npz of each.

        `inputs` (n, S, H, W), `reference` and `prediction` (n, K, F, H, W), `coefficients` (n, c),
        `sample_index` (n), `time_index` (n), `lead_times` (n, K); `input_fields` and
        `output_fields` name the S and the F fields.
        """
        paths = []
        for path, _, samples in self._files(directory, name, self._samples):
            paths.append(path.with_name(f"{path.name}.npz"))
            _write(paths[-1], samples)
        return paths

    def draw(self, directory: Path, name: str) -> list[Path]:
        """Draw frames of a rollout of each data set: DIRECTORY/NAME.png, or NAME.SET.png.

        The movie beside it ends in .gif or .mp4.
        """
        paths = []
        for path, member, samples in self._files(directory, name, self._samples):
            panel = _panel(member, samples[0])
            paths += save_figure(rollout_frames(panel), path, self._formats)
        for path, member, samples in self._files(directory, name, self._filmed):
            paths.append(path.with_name(f"{path.name}.{self._movie}"))
            with TemporaryDirectory(dir=directory) as folder:  # a writer goes by the suffix
                whole, writer = Path(folder) / paths[-1].name, movie_writer(self._movie or "gif")
                write_rollout_movie(_panel(member, samples[0]), whole, writer)
                whole.replace(paths[-1])
        return paths

    def _files(
        self, directory: Path, name: str, kept: Sequence[list[SampleFields]]
    ) -> Iterator[tuple[Path, MixtureMember, list[SampleFields]]]:
        """List data sets with samples, and where what is made of these lies, without suffix."""
        for member, samples in zip(self._members, kept, strict=True):
            suffix = f".{member.name}" if len(self._members) > 1 else ""
            if samples:
                yield directory / f"{name}{suffix}", member, samples


def _panel(member: MixtureMember, sample: SampleFields) -> Panel:
    return Panel(f"{member.name} {sample.sample_index}", member.grid, sample)


def _write(path: Path, samples: Sequence[SampleFields]) -> None:
    arrays: dict[str, Any] = {
        f.name: np.stack([getattr(sample, f.name) for sample in samples])
        for f in fields(SampleFields)
        if f.name not in NAMES
    }
    arrays |= {name: np.array(getattr(samples[0], name)) for name in NAMES}
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)


def load_sample(path: Path) -> SampleFields:
    """Load the first of the samples whose fields ``sciml test`` has kept.

    Raises:
        InputError: the file is damaged, or of an earlier version; pickled objects in it are not
            loaded.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            known: dict[str, Any] = {f.name: file[f.name] for f in fields(SampleFields)}
            first = {name: values[0] for name, values in known.items() if name not in NAMES}
            first |= {name: int(first[name]) for name in ("sample_index", "time_index")}
            names = {name: tuple(map(str, known[name].tolist())) for name in NAMES}
    except (OSError, ValueError, EOFError, KeyError, IndexError, BadZipFile, zlib.error) as error:
        raise InputError(
            f"{path} cannot be read ({type(error).__name__}); remove its run to do it again"
        ) from error
    return SampleFields(**(first | names))
