"""What a study will do, and everything that stands in its way."""

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from lightning_sciml.errors import InputError
from lightning_sciml.models.sizes import SIZES
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.study.generated_sets import load_manifests
from lightning_sciml.study.results import finished_results
from lightning_sciml.study.run_config import DatasetFacts, Datasets, budget, channels, run_config
from lightning_sciml.study.run_files import RUN_CONFIG, read_config
from lightning_sciml.study.runs import DownstreamRun, Init, PretrainingRun, Run
from lightning_sciml.study.study_file import StudyFile

MAX_ARRAY = 1000  # SLURM's MaxArraySize is 1001 unless a site sets it


def facts(manifests: Mapping[str, Manifest]) -> dict[str, DatasetFacts]:
    """What configurations need to know of the data sets."""
    return {
        name: DatasetFacts(
            coefficient_names=m.coefficient_names, num_train_samples=m.num_samples["train"]
        )
        for name, m in manifests.items()
    }


def checked_plan(path: str | Path) -> tuple[StudyFile, list[Run], dict[str, DatasetFacts]]:
    """A study and all its runs, once nothing stands in their way.

    Raises:
        InputError: a list of all faults of the file, its data sets and its checkpoints.
    """
    study, faults = StudyFile.read(path)
    runs: list[Run] = []
    datasets: dict[str, DatasetFacts] = {}
    if study is not None:
        has_sense, stages = not faults, (study.pretrain, study.downstream)
        manifests = load_manifests(study, faults)
        datasets = facts(manifests)
        runs = [] if any(stage.faults() for stage in stages) else study.runs()
        faults += size_faults(study)
        faults += sample_faults(study, runs, manifests)
        faults += checkpoint_faults(study, runs, datasets)
        if has_sense and len(datasets) == len(study.dataset_names):
            faults += channel_faults(study, runs, datasets)
            faults += changed_runs(study, runs, datasets)
    if study is None or faults:
        raise InputError(
            f"study {Path(path).stem} cannot start, {len(faults)} faults:\n  " + "\n  ".join(faults)
        )
    return study, runs, datasets


def size_faults(study: StudyFile) -> list[str]:
    """Model sizes that do not exist."""
    return [
        f"models.{name}: size must be one of {', '.join(SIZES)}, got {options['size']}"
        for name, options in study.models.items()
        if options.get("size") is not None and options["size"] not in list(SIZES)
    ]


def sample_faults(
    study: StudyFile, runs: list[Run], manifests: Mapping[str, Manifest]
) -> list[str]:
    """Sets with fewer samples than are asked for, and mixtures over several grids."""
    found = []
    most: Counter[str] = Counter()
    for run in runs:
        if isinstance(run, DownstreamRun):
            most[run.dataset] = max(most[run.dataset], run.num_samples)
    for name, wanted in most.items():
        if name in manifests and wanted > manifests[name].num_samples["train"]:
            found.append(
                f"{study.dataset_dir(name)} has {manifests[name].num_samples['train']} train "
                f"samples, the study wants {wanted}; lower num_samples or generate more"
            )
    for name, pretraining in study.pretrainings.items():
        grids = {d: manifests[d].num_points for d in pretraining.datasets if d in manifests}
        if len(set(grids.values())) > 1:
            found.append(f"pretrainings.{name}: one grid is wanted, got points an axis {grids}")
    return found


def checkpoint_faults(study: StudyFile, runs: list[Run], datasets: Datasets) -> list[str]:
    """Given checkpoints that are not there, or are not of the network of the runs that use them."""
    used: dict[tuple[str, str, str, Init], DownstreamRun] = {}
    for run in runs:
        if not isinstance(run, DownstreamRun) or run.pretrained is None:
            continue
        if study.given_checkpoint(run.pretrained):
            key = (run.pretrained.pretraining, run.model, run.recipe, run.init)
            used.setdefault(key, run)
    found = [
        f"pretrainings.{key[0]}: {fault}"
        for key, run in used.items()
        for fault in _differences_to_checkpoint(study, run, datasets)
    ]
    return list(dict.fromkeys(found))


def _differences_to_checkpoint(
    study: StudyFile, run: DownstreamRun, datasets: Datasets
) -> list[str]:
    from lightning_sciml.study.given_checkpoint import differences  # loads torch

    is_known = len(datasets) == len(study.dataset_names)
    return differences(study, run, channels(study, run, datasets) if is_known else None)


def channel_faults(study: StudyFile, runs: list[Run], datasets: Datasets) -> list[str]:
    """Zero-shot tests of networks on data that have channels they have never seen."""
    found = {}
    for run in runs:
        if isinstance(run, DownstreamRun) and run.init == Init.ZERO_SHOT and run.pretrained:
            own = channels(study, run.pretrained, datasets)
            new = [c for c in datasets[run.dataset].coefficient_names if c not in own]
            if new:
                key = (run.pretrained.pretraining, run.dataset)
                found[key] = (
                    f"zero_shot of {key[0]} on {key[1]}: the network has no channel "
                    f"{', '.join(new)}; take zero_shot out of that grid"
                )
    return list(found.values())


def changed_runs(study: StudyFile, runs: list[Run], datasets: Datasets) -> list[str]:
    """Folders that hold runs of the same name with another configuration."""
    found = []
    for run in runs:
        folder = study.run_dir(run)
        try:
            saved = read_config(folder / RUN_CONFIG)
        except InputError as error:
            found.append(str(error))
            continue
        if saved is not None and saved != run_config(study, run, datasets):
            found.append(
                f"{folder} holds a run with another configuration than this study gives it; "
                "give another output, or remove that folder"
            )
    return found


def measured_speed(study: StudyFile, runs: list[Run]) -> dict[str, float]:
    """Training samples a second by model, over the finished runs of the study."""
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
    """Training samples a second by model, of a few steps on this machine."""
    from lightning_sciml.study.training_speed import training_speed  # loads torch

    speed = {}
    for model in study.models:
        run = next((run for run in runs if run.model == model), None)
        if run is not None:
            say(f"timing a training step of {model}")
            name = _trained_on(study, run)
            num_points = Manifest.load(study.dataset_dir(name)).num_points
            speed[model] = training_speed(study, run, datasets, num_points)
    return speed


def _trained_on(study: StudyFile, run: Run) -> str:
    if isinstance(run, DownstreamRun):
        return run.dataset
    return study.pretrainings[run.pretraining].datasets[0]


def describe_plan(
    study: StudyFile,
    runs: list[Run],
    datasets: Datasets,
    speed: Mapping[str, float] | None = None,
) -> str:
    """The grid, the work, and how to submit it.

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
    """Lines that submit pre-trainings, then the rest in arrays that SLURM's default allows."""
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
    """Samples to see and hours to take, by model."""
    lines = [f"{'model':10s}{'steps':>14s}{'samples seen':>16s}{'samples/s':>12s}{'hours':>9s}"]
    for model in study.models:
        budgets = [budget(study, run, datasets) for run in runs if run.model == model]
        steps = sum(b.num_steps for b in budgets)
        seen = sum(b.num_samples_seen for b in budgets)
        known = f"{speed[model]:12,.0f}{seen / speed[model] / 3600:9.2f}" if model in speed else ""
        lines.append(f"{model:10s}{steps:14,d}{seen:16,d}{known or '     plan --measure tells'}")
    return lines
