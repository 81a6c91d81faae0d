"""Plan of a study: its runs, its work, and all faults that keep it from starting."""

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from lightning_sciml.errors import InputError
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.study.definition.runs import DownstreamRun, PretrainingRun, Run
from lightning_sciml.study.definition.study_file import StudyFile
from lightning_sciml.study.execution.generated_sets import load_manifests
from lightning_sciml.study.execution.plan_faults import (
    ConfigFault,
    changed_runs,
    channel_faults,
    checkpoint_faults,
    config_faults,
    equation_faults,
    folder_faults,
    name_faults,
    sample_faults,
    size_faults,
)
from lightning_sciml.study.execution.results import finished_results
from lightning_sciml.study.execution.run_config import DatasetFacts, Datasets, budget

MAX_ARRAY = 1000  # SLURM's MaxArraySize is 1001 unless a site sets it


def facts(manifests: Mapping[str, Manifest]) -> dict[str, DatasetFacts]:
    """Collect what configurations depend on in the data sets."""
    return {
        name: DatasetFacts(
            coefficient_names=m.coefficient_names, num_train_samples=m.num_samples["train"]
        )
        for name, m in manifests.items()
    }


def checked_plan(
    path: str | Path, config_fault: ConfigFault | None = None, scale: str | None = None
) -> tuple[StudyFile, list[Run], dict[str, DatasetFacts]]:
    """Load a study and list its runs, after checking all that could keep them from starting.

    Args:
        path: the study.
        config_fault: what keeps `sciml fit` from starting with a configuration, None where nothing
            does; without it configurations, which takes torch, are not looked at.
        scale: of the study; its first by default.

    Raises:
        InputError: a list of all faults of the file, its data sets and its checkpoints.
    """
    study, faults = StudyFile.read(path, scale)
    runs: list[Run] = []
    datasets: dict[str, DatasetFacts] = {}
    if study is not None:
        of_sizes, stages = size_faults(study), (study.pretrain, study.downstream)
        has_sense = not (faults or of_sizes)
        manifests = load_manifests(study, faults)
        datasets = facts(manifests)
        runs = [] if any(stage.faults() for stage in stages) else study.runs()
        faults += of_sizes + folder_faults(study) + name_faults(runs)
        faults += sample_faults(study, runs, manifests) + equation_faults(study, runs, manifests)
        faults += checkpoint_faults(study, runs, datasets)
        if has_sense and len(datasets) == len(study.dataset_names):
            faults += channel_faults(study, runs, datasets)
            faults += changed_runs(study, runs, datasets)
            if config_fault is not None:
                faults += config_faults(study, runs, datasets, config_fault)
    if study is None or faults:
        raise InputError(
            f"study {Path(path).stem} cannot start, {len(faults)} faults:\n  " + "\n  ".join(faults)
        )
    return study, runs, datasets


def measured_speed(study: StudyFile, runs: list[Run]) -> dict[str, float]:
    """Compute training samples per second by model, over the finished runs of the study."""
    seen: Counter[str] = Counter()
    elapsed_s: dict[str, float] = dict.fromkeys(study.models, 0.0)
    finished, _ = finished_results(study, runs)
    for run, result in finished.items():
        seen[run.model] += result.num_samples_seen
        elapsed_s[run.model] += result.fit_elapsed_s
    return {model: seen[model] / elapsed_s[model] for model in seen if elapsed_s[model]}


def speed_here(
    study: StudyFile, runs: list[Run], datasets: Datasets, say: Callable[[str], None]
) -> dict[str, float]:
    """Measure training samples per second by model, over a few steps on this machine."""
    from lightning_sciml.study.execution.training_speed import training_speed  # loads torch

    speed = {}
    for model in study.models:
        run = next((run for run in runs if run.model == model), None)
        if run is not None:
            say(f"timing a training step of {model}")
            first = study.datasets_of(run)[0]
            num_points = Manifest.load(study.dataset_dir(first)).num_points
            speed[model] = training_speed(study, run, datasets, num_points)
    return speed


def describe_plan(
    study: StudyFile,
    runs: list[Run],
    datasets: Datasets,
    speed: Mapping[str, float] | None = None,
) -> str:
    """Describe the grid, the work, and how to submit it.

    Args:
        study: the study.
        runs: its runs.
        datasets: facts of its data sets.
        speed: training samples a second by model; by default as finished runs have it.
    """
    num_pretrainings = sum(isinstance(run, PretrainingRun) for run in runs)
    kinds = Counter(run.init if isinstance(run, DownstreamRun) else "pretrain" for run in runs)
    lines = [f"study {study.name}: {study.title}", f"output {study.output}", ""]
    lines += [f"{kind:12s}{number:6d} runs" for kind, number in kinds.items()]
    lines += [f"{'total':12s}{len(runs):6d} runs", ""]
    lines += _work(study, runs, datasets, speed or measured_speed(study, runs))
    lines += [
        "",
        "on a cluster (where there are GPUs, with --gpus-per-node=1):",
        *_submissions(num_pretrainings, len(runs)),
    ]
    return "\n".join(lines)


def _submissions(num_pretrainings: int, num_runs: int) -> list[str]:
    """List lines that submit pre-trainings, then the rest in arrays of SLURM's default size."""
    first = f"--array=0-{num_pretrainings - 1} slurm/study.sbatch FILE"
    lines = [f"  job=$(sbatch --parsable {first})"] if num_pretrainings else []
    after = "--dependency=afterok:$job " if num_pretrainings else ""
    for begin in range(num_pretrainings, num_runs, MAX_ARRAY):
        size = min(MAX_ARRAY, num_runs - begin)
        array = f"--array=0-{size - 1} slurm/study.sbatch FILE --first {begin}"
        lines.append(f"  sbatch {after}{array}")
    return lines


def _work(
    study: StudyFile, runs: list[Run], datasets: Datasets, speed: Mapping[str, float]
) -> list[str]:
    """Count steps, samples and hours by model."""
    lines = [f"{'model':10s}{'steps':>14s}{'samples seen':>16s}{'samples/s':>12s}{'hours':>9s}"]
    for model in study.models:
        budgets = [budget(study, run, datasets) for run in runs if run.model == model]
        steps = sum(b.num_steps for b in budgets)
        seen = sum(b.num_samples_seen for b in budgets)
        known = f"{speed[model]:12,.0f}{seen / speed[model] / 3600:9.2f}" if model in speed else ""
        lines.append(f"{model:10s}{steps:14,d}{seen:16,d}{known or '     plan --measure tells'}")
    return lines
