"""Measure what solves cost, by the networks of a study and by the solvers of its data sets.

What is measured is written after each entry, so that the same command resumes where it was ended.
"""

import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from lightning_sciml.errors import InputError
from lightning_sciml.folder_lock import FolderLock
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.shards.reader import ShardedDataset
from lightning_sciml.study.definition.runs import Init, Run
from lightning_sciml.study.definition.study_file import StudyFile
from lightning_sciml.study.execution.costs import (
    Costs,
    SetCosts,
    SolverCost,
    costs_path,
    read_costs,
    write_costs,
)
from lightning_sciml.study.execution.judged_windows import JudgedWindows, judged_windows
from lightning_sciml.study.execution.network_cost import fingerprint, network_cost, operator_options

USELESS = 1.0
"""Error from which on larger steps are not tried: zero is as good an answer."""


class Variants(Protocol):
    """Solvers of some samples of a data set, at several accuracies."""

    def lines(self) -> Iterable[Sequence[Any]]:
        """List variants, each with a line and a name, from the most accurate to the cheapest."""

    def measure(self, variant: Any, num_repeats: int) -> Any:
        """Measure elapsed_s of each repeat and the error, infinite where it is unstable."""

    def measure_generation(self, num_repeats: int) -> list[float]:
        """Measure seconds to make a sample."""


SolverOf = Callable[[Path, str, np.ndarray, np.ndarray], Variants | None]
"""Solver of samples of a split at moments; None where the set was not made by one of ours."""


class CostMeasurement:
    """Measures all costs of a study that its file does not have yet.

    Args:
        study: the study.
        runs: its finished runs.
        datasets: its data sets.
        solver_of: returns the solver of a data set.
        num_samples: test samples, or windows, whose errors are measured; at most.
        num_repeats: how often everything is timed.
        say: shows a line.
        show: shows a line until the next one, where the screen can.
    """

    def __init__(
        self,
        study: StudyFile,
        runs: Iterable[Run],
        datasets: Mapping[str, Manifest],
        *,
        solver_of: SolverOf,
        num_samples: int,
        num_repeats: int,
        say: Callable[[str], None],
        show: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.study, self.runs, self.datasets = study, list(runs), datasets
        self.solver_of, self.num_samples, self.num_repeats = solver_of, num_samples, num_repeats
        self.say, self.show = say, show
        self.costs = Costs(machine=machine(), num_threads=1)

    def measure(self) -> Path:
        """Measure what is missing; return the path of the file.

        Raises:
            InputError: another process measures, whose seconds would be longer, too.
        """
        path = costs_path(self.study)
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FolderLock(path.parent)
        if not lock.acquire():
            raise InputError(
                f"another process measures in {path.parent}; type the line again when it has ended"
            )
        try:
            self._load()
            self._measure()
        finally:
            lock.release(remove=True)
        return path

    def _load(self) -> None:
        if found := read_costs(self.study):
            if found.machine == self.costs.machine:
                self.costs = found
            else:
                self.say(f"costs.json is of another machine, {found.machine}: measured anew")

    def _measure(self) -> None:
        downstream = [run for run in self.runs if run.init != Init.PRETRAIN]
        for name in dict.fromkeys(run.datasets[0] for run in downstream):
            own = [run for run in downstream if run.datasets[0] == name]
            all_judged = [self._judged(name, run) for run in own]
            shortest = min(all_judged, key=lambda judged: judged.windows.stride)
            if self._measure_solver(name, shortest):
                for run in own:
                    self._measure_network(name, run)
        tested = {run.datasets[0] for run in downstream}
        used = (d for run in downstream if run.pretrained for d in run.pretrained.datasets)
        for name in dict.fromkeys(d for d in used if d not in tested):
            self._measure_generation(name)
        write_costs(self.study, self.costs)  # also where no set has a solver

    def _judged(self, name: str, run: Run) -> JudgedWindows:
        return judged_windows(self.study, run, self.datasets[name], self.num_samples)

    def _measure_solver(self, name: str, judged: JudgedWindows) -> bool:
        """Measure the variants of a solver; return whether there is one."""
        folder = self.study.dataset_dir(name)
        solver = self.solver_of(folder, "test", judged.samples, judged.moments)
        if solver is None:
            self.say(f"{name}: no solver of this project made it, so no network is compared")
            return False
        known = self.costs.sets.get(name)
        if known is None or known.judged != str(judged):
            known = SetCosts(judged=str(judged), stride=judged.windows.stride)
            self.costs.sets[name] = known
        if not known.generation_s:
            self.show(f"{name}: making samples")
            known.generation_s = solver.measure_generation(self.num_repeats)
            write_costs(self.study, self.costs)
        for line in solver.lines():
            for variant in line:
                if variant.name not in known.solver:
                    self.show(f"{name}: {variant.name}")
                    known.solver[variant.name] = self._solver_cost(solver, variant)
                    write_costs(self.study, self.costs)
                error = known.solver[variant.name].error
                if error is None or error > USELESS:
                    break
        self.say(f"{name}: {len(known.solver)} variants of its solver are measured")
        return True

    def _solver_cost(self, solver: Variants, variant: Any) -> SolverCost:
        elapsed_s, error = solver.measure(variant, self.num_repeats)
        return SolverCost(
            line=variant.line,
            name=variant.name,
            elapsed_s=elapsed_s,
            error=error if np.isfinite(error) else None,
        )

    def _measure_network(self, name: str, run: Run) -> None:
        """Time the network of a run, unless its steps are longer or shorter than the solver's."""
        judged = self._judged(name, run)
        if judged.windows.stride != self.costs.sets[name].stride:
            return
        options = operator_options(self.study, run, self.datasets)
        key, known = fingerprint(options), self.costs.sets[name].networks
        if key in known:
            return
        title, dataset = f"{run.model}, {run.recipe}", self._dataset(name)
        self.show(f"{name}: {title}")
        known[key] = network_cost(title, options, dataset, judged, self.num_repeats)
        write_costs(self.study, self.costs)
        milliseconds = 1e3 * float(np.median(known[key].elapsed_s))
        batch_size = known[key].batch_size
        self.say(f"{name}: {title} takes {milliseconds:.3g} ms, in batches of {batch_size}")

    def _measure_generation(self, name: str) -> None:
        """Measure what a sample of a pre-training set takes to make; nothing if that is unknown."""
        checksum = self.datasets[name].checksum
        if (known := self.costs.sets.get(name)) and checksum in known.judged:
            return  # also where runs on it are left out now
        self.show(f"{name}: making samples")
        number = min(self.num_samples, self.datasets[name].num_samples["train"])
        samples, moments = np.arange(number), np.zeros((number, 1), np.int64)
        solver = self.solver_of(self.study.dataset_dir(name), "train", samples, moments)
        found = self.costs.sets[name] = SetCosts(judged=f"not judged, of the set {checksum}")
        if solver is not None:
            found.generation_s = solver.measure_generation(self.num_repeats)
        write_costs(self.study, self.costs)

    def _dataset(self, name: str) -> ShardedDataset:
        return ShardedDataset(self.study.dataset_dir(name), "test")


def machine() -> str:
    """Name the processor and the libraries that decide how fast everything is."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return f"{next(names, platform.processor() or platform.machine())}, NumPy {np.__version__}"
