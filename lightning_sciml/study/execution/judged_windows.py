"""What the runs of a study are judged by on a test set, as a number of solves of its problem."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Int64

from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.streaming.rollouts import rollout_of
from lightning_sciml.streaming.windows import WindowOptions, Windows
from lightning_sciml.study.definition.runs import Run
from lightning_sciml.study.definition.study_file import StudyFile
from lightning_sciml.study.execution.channels import windows_in
from lightning_sciml.study.execution.data_options import data_options


@dataclass(frozen=True, kw_only=True)
class JudgedWindows:
    """Some of the windows by which a run is tested: rollouts, or one step.

    Attributes:
        windows: history, steps and stride.
        samples: indices of the trajectories, or of the samples of a steady set.
        starts: stored times at which windows begin.
        checksum: of the data set.
    """

    windows: Windows
    samples: Int64[np.ndarray, " n"]
    starts: Int64[np.ndarray, " n"]
    checksum: str

    @property
    def strides(self) -> Int64[np.ndarray, " n"]:
        """Stored times from state to state."""
        return np.full_like(self.starts, self.windows.stride)

    @property
    def time_index(self) -> Int64[np.ndarray, " n"]:
        """Numbers of the stored times of the newest given states."""
        return self.windows.time_index(self.starts, self.strides)

    @property
    def moments(self) -> Int64[np.ndarray, "n K1"]:
        """Numbers of the stored times of the newest given state, and of those asked for."""
        windows = self.windows
        if not windows.history:
            return self.time_index[:, None]
        steps = np.arange(windows.num_steps + 1) * windows.stride
        return self.time_index[:, None] + steps

    def __str__(self) -> str:
        windows = self.windows
        of_time = f", {windows.num_steps} steps of {windows.stride} stored times from times "
        of_time += ", ".join(map(str, dict.fromkeys(self.moments[:, 0].tolist())))
        number = f"{len(self.samples)} samples of the set {self.checksum}"
        return number + (of_time if windows.history else "")


def judged_windows(
    study: StudyFile, run: Run, manifest: Manifest, num_samples: int
) -> JudgedWindows:
    """Take at most `num_samples` windows of the test split by which a run is judged.

    These are rollouts where the study asks for them, else windows of one step, spread over the
    stored times.
    """
    windows, num_there = tested_windows(study, run, manifest), manifest.num_samples["test"]
    if windows.is_rollout or not windows.history:
        samples = np.arange(min(num_samples, num_there))
        starts = np.zeros_like(samples)
    else:
        number = min(num_samples, num_there * windows.num_possible)
        samples = np.arange(number) % num_there
        starts = np.linspace(0, windows.num_possible - 1, number).astype(np.int64)
    return JudgedWindows(
        windows=windows, samples=samples, starts=starts, checksum=manifest.checksum
    )


def tested_windows(study: StudyFile, run: Run, manifest: Manifest) -> Windows:
    """Return the windows of a data set by which a run is judged."""
    options: dict[str, Any] = {**data_options(study, run), "num_unrolled_steps": 1}
    windows = windows_in(options, manifest)
    windows = replace(windows, strides=windows.strides[:1])  # as tests do
    if study.rollout is None or not manifest.is_evolution:
        return windows
    given = WindowOptions(history=windows.history, stride=windows.stride)
    return rollout_of(manifest, given, study.rollout)
