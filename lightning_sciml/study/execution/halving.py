"""Successive halving: of runs that differ in the learning rate alone, half stop at each rung.

Every run follows the schedule of its full training and is resumed exactly, so the run that is left
at the end has the bits of the run trained alone. Validation decides; a failed run loses.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from lightning_sciml.json_files import json_text, read_json
from lightning_sciml.run_folder import RunFolder
from lightning_sciml.shards.durable import temporary_beside, write_whole
from lightning_sciml.study.definition.runs import Run
from lightning_sciml.study.definition.study_file import StudyFile
from lightning_sciml.study.execution.results import finished_results
from lightning_sciml.study.execution.run_config import Datasets
from lightning_sciml.study.execution.run_files import State, read_result, state_of
from lightning_sciml.study.execution.searches import Search, num_kept, searches

Errors = dict[str, float | None]
"""Smallest validation error by name of the run; None where it is not finite."""


@dataclass(frozen=True)
class Leg:
    """The next part of a run: to train on, or to test what is trained.

    Attributes:
        until: step at which training pauses; None for its end, with the test.
        stopped_at: rung at which the run has lost: it is tested as it is.
    """

    until: int | None = None
    stopped_at: int | None = None


@dataclass(frozen=True)
class Decision:
    """OUTPUT/search/NAME/STEP.json.

    Attributes:
        errors: of the runs that were left; None also of those that have failed.
        kept: names of the runs that train on.
    """

    errors: Errors
    kept: list[str]


def next_leg(
    study: StudyFile, search: Search, run: Run, is_coming: Callable[[Run], bool]
) -> Leg | Run | None:
    """Tell what a run does next, or which other run it waits for; decide a rung if all are there.

    None where it has failed, and lost by that: it is not tried again.

    Args:
        run: a run of the search that has no result.
        is_coming: whether a failed run is tried again.
    """
    left = list(search.runs)
    for rung in search.rungs:
        if (decision := read_decision(study, search, rung)) is None:
            errors = {peer: _errors_at(study, peer, rung) for peer in left}
            if str(rung) not in errors[run]:
                return Leg(until=rung)
            missing = [peer for peer in left if str(rung) not in errors[peer]]
            awaited = [p for p in missing if state_of(study, p) != State.FAILED or is_coming(p)]
            if awaited:
                return awaited[0]
            known = {p.name: errors[p].get(str(rung)) for p in left}
            ranked = [peer.name for peer in left if peer not in missing]
            decision = _write_decision(study, search, rung, _decided(known, ranked))
        if run.name not in decision.kept:
            if str(rung) not in _errors_of(study, run):
                return None
            return Leg(stopped_at=rung)
        left = [peer for peer in left if peer.name in decision.kept]
    return Leg()


def _decided(errors: Errors, trained: Sequence[str]) -> Decision:
    """Keep the half with the smallest errors; of equal ones the first of the study."""
    finite = {name: error for name in trained if (error := errors[name]) is not None}
    best = sorted(finite, key=lambda name: finite[name]) or list(trained)
    return Decision(errors, best[: num_kept(len(errors))])


def note_rung(study: StudyFile, run: Run, step: int, error: float | None) -> None:
    """Write RUN/rungs.json: the smallest validation error up to a rung."""
    errors = {**_errors_of(study, run), str(step): error}
    write_whole(RunFolder(study.run_dir(run)).rungs, json_text(errors))


def _errors_of(study: StudyFile, run: Run) -> Errors:
    """Read the errors of a run by rung."""
    path = RunFolder(study.run_dir(run)).rungs
    remedy = f"remove {path.parent}, and the run is trained again"
    return read_json(path, Errors, remedy=remedy) if path.exists() else {}


def _errors_at(study: StudyFile, run: Run, rung: int) -> Errors:
    """Read the errors of a run; one that was trained in full before counts with its last."""
    errors, is_full = _errors_of(study, run), state_of(study, run) == State.FINISHED
    if str(rung) in errors or not is_full or not (result := read_result(study, run)):
        return errors
    return {**errors, str(rung): result.val_relative_l2}


def _path(study: StudyFile, search: Search, rung: int) -> Path:
    return study.output / "search" / search.name / f"{rung}.json"


def read_decision(study: StudyFile, search: Search, rung: int) -> Decision | None:
    """Read what was decided at a rung; None where nothing was yet."""
    path = _path(study, search, rung)
    remedy = "remove it, and the rung is decided again"
    return read_json(path, Decision, remedy=remedy) if path.exists() else None


def _write_decision(study: StudyFile, search: Search, rung: int, made: Decision) -> Decision:
    """Write a decision unless another process has written one, and return the one that counts."""
    path = _path(study, search, rung)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(path)
    temporary.write_text(json_text(asdict(made), indent=1))
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    except OSError:  # a file system without hard links
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return read_decision(study, search, rung) or made


def stopped_runs(study: StudyFile, search: Search) -> Iterator[tuple[Run, int, float | None]]:
    """List the runs that have lost, with the rung and their error there; None of failed ones.

    One that had been trained in full before is not among them.
    """
    finished, _ = finished_results(study, search.runs)
    full = [run for run, result in finished.items() if result.stopped_at_step is None]
    for rung in search.rungs:
        if (decision := read_decision(study, search, rung)) is not None:
            for run in search.runs:
                has_lost = run.name in decision.errors and run.name not in decision.kept
                if has_lost and run not in full:
                    yield run, rung, decision.errors[run.name]


def search_faults(study: StudyFile, runs: Sequence[Run], datasets: Datasets) -> Iterator[str]:
    """Find searches of which a rung was decided with other rates, or at another step."""
    for search in searches(study, runs, datasets):
        left = {run.name for run in search.runs}
        folder = _path(study, search, 0).parent
        others = {path.stem for path in folder.glob("*.json")} - {*map(str, search.rungs)}
        for rung in search.rungs:
            decision = read_decision(study, search, rung)
            if others or (decision and {*decision.errors} != left):
                yield (
                    f"{folder} holds a search with other rates or rungs than this study gives it; "
                    "give another output, or remove that folder and those of its runs"
                )
                break
            left = {*decision.kept} if decision else left
