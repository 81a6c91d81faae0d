"""Plan of a study: its runs, its work, and all faults that keep it from starting."""

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from lightning_sciml.errors import InputError
from lightning_sciml.plain_text import counted
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.study.definition.reading import read_study
from lightning_sciml.study.definition.runs import Init, Run
from lightning_sciml.study.definition.study_faults import faults_of_all_runs
from lightning_sciml.study.definition.study_file import StudyFile
from lightning_sciml.study.execution.config_faults import ConfigFault, config_faults
from lightning_sciml.study.execution.generated_sets import data_faults, load_manifests
from lightning_sciml.study.execution.plan_faults import run_faults
from lightning_sciml.study.execution.results import finished_results
from lightning_sciml.study.execution.rollouts import rollout_faults
from lightning_sciml.study.execution.run_config import Datasets
from lightning_sciml.study.execution.searches import search_lines, searches, work_of
from lightning_sciml.study.execution.window_faults import window_faults

SCRIPT = Path("slurm/study.sbatch")
MAX_ARRAY = 1000  # SLURM's MaxArraySize is 1001 unless a site sets it


def checked_plan(
    path: str | Path,
    config_fault: ConfigFault | None = None,
    scale: str | None = None,
    datasets: Sequence[str] = (),
) -> tuple[StudyFile, list[Run], dict[str, Manifest]]:
    """Load a study, its runs and data sets, after checking all that could keep it from starting.

    Args:
        path: the study.
        config_fault: what keeps `sciml fit` from starting with a configuration, None where nothing
            does; without it configurations, which takes torch, are not looked at.
        scale: of the study; its first by default.
        datasets: plan the downstream runs on these alone; on all by default.

    Raises:
        InputError: a list of all faults of the file, its data sets and its checkpoints.
    """
    study, faults, named = read_study(path, scale, datasets)
    is_valid = not faults
    found, missing = load_manifests(named) if named else ({}, {})
    is_part = bool(datasets or missing)
    faults += data_faults(named, found, missing) if named else []
    if study is None:
        raise _unfit(path, faults)
    runs = [] if any(faults_of_all_runs(study)) else study.runs()
    unfit = window_faults(study, runs, found)
    faults += dict.fromkeys(unfit.values())
    fitting = [run for run in runs if run not in unfit and run.pretrained not in unfit]
    faults += rollout_faults(study, fitting, found, is_part=is_part) if is_valid else []
    checkable = fitting if is_valid else []
    faults += run_faults(study, runs, found, fitting=checkable, is_part=is_part)
    if is_valid and not missing and config_fault is not None:
        from lightning_sciml.study.execution.memory_faults import memory_faults  # loads torch
        from lightning_sciml.study.execution.network_faults import network_faults

        unmatched, matched = network_faults(study, fitting, found, config_fault)
        faults += unmatched + config_faults(study, matched or fitting, found, config_fault)
        faults += memory_faults(study, fitting, found)
    if faults:
        raise _unfit(path, faults)
    return study, runs, found


def _unfit(path: str | Path, faults: list[str]) -> InputError:
    lines = "\n  ".join(faults)
    number = counted(len(faults), "fault")
    return InputError(f"study {Path(path).stem} cannot start, {number}:\n  {lines}")


def _measured_speed(study: StudyFile, runs: list[Run]) -> dict[str, float]:
    """Compute training samples per second by model, over the finished runs of the study."""
    seen: Counter[str] = Counter()
    elapsed_s: dict[str, float] = dict.fromkeys(study.models, 0.0)
    finished, _ = finished_results(study, runs)
    for run, result in finished.items():
        seen[run.model] += result.num_samples_seen
        elapsed_s[run.model] += result.fit_elapsed_s
    return {model: seen[model] / elapsed_s[model] for model in seen if elapsed_s[model]}


def describe_plan(
    study: StudyFile,
    runs: list[Run],
    datasets: Datasets,
    *,
    words: str,
    speed: Mapping[str, float] | None = None,
) -> str:
    """Describe the grid, the work, and how to submit it.

    Args:
        words: what names the study on a command line.
        speed: training samples a second by model; by default as finished runs have it.
    """
    kinds = Counter(str(run.init) for run in runs)
    lines = [f"study {study.name}: {study.title}", f"output {study.output}", ""]
    lines += [f"{kind:12s}{number:6d} runs" for kind, number in kinds.items()]
    lines += [f"{'total':12s}{len(runs):6d} runs", ""]
    lines += _work(study, runs, datasets, speed or _measured_speed(study, runs))
    lines += ["", "on a cluster (where there are GPUs, with --gpus-per-node=1):"]
    num_first = kinds[Init.PRETRAIN]
    if num_first:
        lines.append(f"  job=$(sbatch --parsable {_array(0, num_first, words)})")
    num_rungs = max((len(s.rungs) for s in searches(study, runs, datasets)), default=0)
    begins = range(num_first, len(runs), MAX_ARRAY)
    arrays = [_array(begin, min(begin + MAX_ARRAY, len(runs)), words) for begin in begins]
    return "\n".join([*lines, *_rounds(arrays, num_rungs, is_first=not num_first)])


def _rounds(arrays: Sequence[str], num_rungs: int, *, is_first: bool) -> Iterator[str]:
    """Write the lines that submit arrays, once more for each rung behind which runs train on.

    Every task of a round is at its rung, or has failed, before the next round begins.
    """
    after = "" if is_first else "--dependency=afterok:$job "
    for _ in range(num_rungs):
        for place, array in enumerate(arrays):
            before = "$next:" if place else ""
            yield f"  next={before}$(sbatch --parsable {after}{array})"
        yield "  job=$next"
        after = "--dependency=afterany:$job "
    yield from (f"  sbatch {after}{array}" for array in arrays)


def _array(begin: int, end: int, words: str) -> str:
    """Write the words behind sbatch that submit runs begin … end - 1, each as a task of an array.

    The script of the repository queues a job again that has met its time limit; where it is not
    there, the command itself is the job.
    """
    array = f"--array=0-{end - begin - 1}"
    if SCRIPT.exists():
        return f"{array} {SCRIPT} {words} --first {begin}"
    index = f"$((SLURM_ARRAY_TASK_ID + {begin}))"
    command = shlex.quote(f"exec sciml study run {words} --index {index}")
    return f"{array} --signal=B:USR1@180 --wrap {command}"


def _work(
    study: StudyFile, runs: list[Run], datasets: Datasets, speed: Mapping[str, float]
) -> list[str]:
    """Count steps, samples and hours by model."""
    lines = [f"{'model':10s}{'steps':>14s}{'samples seen':>16s}{'samples/s':>12s}{'hours':>9s}"]
    work = work_of(study, runs, datasets)
    for model in study.models:
        own = [work[run] for run in runs if run.model == model]
        steps, seen = (sum(column) for column in zip(*own, strict=True)) if own else (0, 0)
        known = f"{speed[model]:12,.0f}{seen / speed[model] / 3600:9.2f}" if model in speed else ""
        lines.append(f"{model:10s}{steps:14,d}{seen:16,d}{known or '     plan --measure tells'}")
    return lines + search_lines(study, runs, datasets)
