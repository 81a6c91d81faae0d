"""Configuration of a run of a study, for ``sciml fit`` and ``sciml test``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lightning_sciml.run_folder import RunFolder
from lightning_sciml.streaming.epoch_plan import EpochPlan
from lightning_sciml.study.definition.runs import DownstreamRun, Init, PretrainingRun, Run
from lightning_sciml.study.definition.study_file import StudyFile
from lightning_sciml.study.definition.study_parts import Options, Stage

ADAM = {"class_path": "torch.optim.Adam", "init_args": {"lr": 1e-3}}
BATCH_SIZE = 128
TRAINER = {"enable_progress_bar": False, "enable_model_summary": False, "log_every_n_steps": 10}


@dataclass(frozen=True, kw_only=True)
class DatasetFacts:
    """Facts of a data set that configurations depend on.

    Attributes:
        coefficient_names: its coefficients.
        num_train_samples: samples of its train split.
    """

    coefficient_names: tuple[str, ...]
    num_train_samples: int


Datasets = Mapping[str, DatasetFacts]


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Samples and steps of a run.

    Attributes:
        epoch: what an epoch of its training has.
        num_val_samples: it is validated on; None for the whole split.
        num_steps: optimizer steps.
        val_every_n_steps: steps from one validation to the next.
    """

    epoch: EpochPlan
    num_val_samples: int | None
    num_steps: int
    val_every_n_steps: int

    @property
    def num_samples_seen(self) -> int:
        """Samples over all steps, each as often as it is seen."""
        return self.epoch.num_samples_seen(self.num_steps)


def stage_of(study: StudyFile, run: Run) -> Stage:
    """Get the section that the run shares with others of its kind."""
    return study.pretrain if isinstance(run, PretrainingRun) else study.downstream


def budget(study: StudyFile, run: Run, datasets: Datasets) -> Budget:
    """Count samples and steps of a run; zero-shot has no steps."""
    stage = stage_of(study, run)
    num_train, num_val, share = _samples(study, run, datasets)
    batch_size = int(stage.data.get("batch_size", BATCH_SIZE))
    epoch = EpochPlan(num_own=num_train, batch_size=batch_size, replay_share=share)
    num_steps = max(stage.epochs * epoch.num_batches, stage.min_steps) if num_train else 0
    num_validations = 1 if study.selection == "last" else stage.num_validations
    every = max(1, -(-num_steps // num_validations))
    return Budget(
        epoch=epoch,
        num_val_samples=num_val,
        num_steps=-(-num_steps // every) * every,
        val_every_n_steps=every,
    )


def _samples(study: StudyFile, run: Run, datasets: Datasets) -> tuple[int, int | None, float]:
    """Count samples to train on and to validate on (None: the whole split); the share of replay."""
    if isinstance(run, PretrainingRun):
        data = study.pretrain.data
        most = data.get("num_train_samples", 2**62)
        sizes = [min(most, datasets[d].num_train_samples) for d in study.datasets_of(run)]
        return data.get("samples_per_epoch") or sum(sizes), None, 0.0
    num_train, num_val = run.num_samples, None
    if study.selection == "budgeted" and num_train:
        num_val = max(1, num_train // 4)
        num_train -= num_val
    is_replaying = run.init == Init.FINE_TUNE
    return num_train, num_val, study.recipes[run.recipe].replay_share if is_replaying else 0.0


def channels(study: StudyFile, run: Run, datasets: Datasets) -> list[str]:
    """List the coefficient channels of the run's network.

    They are those of its data; a pre-trained network keeps its own, followed by new ones.
    """
    origin = run.pretrained if isinstance(run, DownstreamRun) else None
    own = channels(study, origin, datasets) if origin else []
    new = [c for name in study.datasets_of(run) for c in datasets[name].coefficient_names]
    return list(dict.fromkeys([*own, *new]))


def run_config(study: StudyFile, run: Run, datasets: Datasets) -> dict[str, Any]:
    """Build the whole configuration of a run.

    For a zero-shot run it is that of a test of ``checkpoint_of(study, run)``.
    """
    stage, plan = stage_of(study, run), budget(study, run, datasets)
    trainer: dict[str, Any] = {**TRAINER, **stage.trainer, **study.recipes[run.recipe].trainer}
    data: dict[str, Any] = {"batch_size": BATCH_SIZE, "seed": run.seed, **stage.data}
    data["datasets"] = _folders(study, study.datasets_of(run))
    if plan.num_steps:
        trainer |= {
            "max_steps": plan.num_steps,
            "max_epochs": -1,
            "check_val_every_n_epoch": None,
            "val_check_interval": plan.val_every_n_steps,
        }
    if isinstance(run, PretrainingRun):
        if (weights := study.pretrainings[run.pretraining].weights) is not None:
            data["weights"] = list(weights)
    else:
        if run.num_samples:
            data |= {"num_train_samples": plan.epoch.num_own, "subset_seed": run.subset_draw}
        if plan.num_val_samples:
            data |= {"num_val_samples": plan.num_val_samples, "val_split": "train"}
        if plan.epoch.num_replayed and run.pretrained:
            data["replay"] = _folders(study, study.datasets_of(run.pretrained))
            data["replay_share"] = study.recipes[run.recipe].replay_share
    return {
        "run_dir": str(study.run_dir(run)),
        "seed_everything": run.seed,
        "matmul_precision": study.matmul_precision,
        "model": _model(study, run, datasets),
        "data": data,
        "trainer": trainer,
    }


def _folders(study: StudyFile, names: Sequence[str]) -> list[str]:
    return [str(study.dataset_dir(name)) for name in names]


def model_options(study: StudyFile, run: Run) -> dict[str, Any]:
    """Merge the init_args of the LightningModule from stage and recipe, without the network."""
    recipe = study.recipes[run.recipe]
    options = merged({"optimizer": ADAM}, stage_of(study, run).model, recipe.model)
    if isinstance(run, DownstreamRun) and run.init == Init.FINE_TUNE:
        options = merged(options, recipe.fine_tune)
    return options


def network_class(study: StudyFile, model: str) -> str:
    """Get the class of a model: its own class_path, or that of the study."""
    return str(study.models[model].get("class_path", study.network))


def _network(study: StudyFile, run: Run, datasets: Datasets) -> dict[str, Any]:
    options = study.models[run.model]
    arguments = (options.get("init_args") or {}) if "class_path" in options else options
    return {
        "class_path": network_class(study, run.model),
        "init_args": {**arguments, "coefficient_names": channels(study, run, datasets)},
    }


def _model(study: StudyFile, run: Run, datasets: Datasets) -> dict[str, Any]:
    network, options = _network(study, run, datasets), model_options(study, run)
    class_path = "PretrainingModule"
    if isinstance(run, DownstreamRun) and run.init == Init.FINE_TUNE:
        class_path = "FineTuningModule"
        options["checkpoint"] = str(checkpoint_of(study, run))
    if isinstance(run, DownstreamRun) and run.learning_rate:
        options = merged(options, {"optimizer": {"init_args": {"lr": run.learning_rate}}})
    return {"class_path": class_path, "init_args": {"network": network, **options}}


def checkpoint_of(study: StudyFile, run: DownstreamRun) -> str:
    """Get the pre-trained checkpoint that a zero-shot or fine-tuned run starts from."""
    if run.pretrained is None:
        raise ValueError(f"{run.name} starts from scratch, it has no checkpoint to start from")
    own = RunFolder(study.run_dir(run.pretrained)).best
    return study.given_checkpoint(run.pretrained) or str(own)


def merged(*trees: Options) -> dict[str, Any]:
    """Merge nested mappings, later ones on top; another class_path replaces the mapping."""
    result: dict[str, Any] = {}
    for tree in trees:
        for key, value in tree.items():
            below = result.get(key)
            if isinstance(below, dict) and isinstance(value, dict):
                other = value.get("class_path") not in (None, below.get("class_path"))
                value = value if other else merged(below, value)
            result[key] = value
    return result
