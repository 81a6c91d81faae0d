"""Configuration of a run of a study, for ``sciml fit`` and ``sciml test``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.streaming.epoch_plan import EpochPlan, SetSize
from lightning_sciml.streaming.mixture_member import ChannelNames
from lightning_sciml.study.definition.runs import Init, Run
from lightning_sciml.study.definition.study_file import StudyFile
from lightning_sciml.study.definition.study_parts import Options
from lightning_sciml.study.execution.channels import names_of, network_arguments, windows_in
from lightning_sciml.study.execution.data_options import data_options, replayed_sets, stage_of

ADAM = {"class_path": "torch.optim.Adam", "init_args": {"lr": 1e-3}}
BATCH_SIZE = 128
TRAINER = {"enable_progress_bar": False, "enable_model_summary": False, "log_every_n_steps": 10}

Datasets = Mapping[str, Manifest]
"""Manifests of the data sets of a study, by name."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Samples and steps of a run.

    Attributes:
        epoch: what an epoch of its training has.
        num_train_samples: samples or trajectories of each data set it is trained on, at most.
        num_val_samples: it is validated on; None for the whole split.
        num_steps: optimizer steps.
        val_every_n_steps: steps from one validation to the next.
    """

    epoch: EpochPlan
    num_train_samples: int
    num_val_samples: int | None
    num_steps: int
    val_every_n_steps: int

    @property
    def num_samples_seen(self) -> int:
        """Samples over all steps, each as often as it is seen."""
        return self.epoch.num_samples_seen(self.num_steps)


def budget(study: StudyFile, run: Run, datasets: Datasets) -> Budget:
    """Count samples and steps of a run; zero-shot has no steps."""
    stage, data = stage_of(study, run), data_options(study, run)
    num_train, num_val, replayed = run.num_samples, None, replayed_sets(study, run)
    if run.init == Init.PRETRAIN:
        num_train = data.get("num_train_samples", 2**62)
    if study.selection == "budgeted" and run.num_samples:
        num_val = max(1, num_train // 4)
        num_train -= num_val
    is_pretrained = run.init == Init.PRETRAIN
    epoch = EpochPlan(
        own=_sizes(data, run.datasets, datasets, num_train) if num_train else (),
        batch_size=int(data.get("batch_size", BATCH_SIZE)),
        weights=study.pretrainings[run.pretraining].weights if is_pretrained else None,
        samples_per_epoch=data.get("samples_per_epoch") if is_pretrained else None,
        replayed=_sizes(data, replayed, datasets),
        replay_share=study.recipes[run.recipe].replay_share if replayed else 0.0,
    )
    least = is_pretrained and study.pretrainings[run.pretraining].min_steps
    num_steps = max(stage.epochs * epoch.num_batches, least or stage.min_steps) if num_train else 0
    num_validations = 1 if study.selection == "last" else stage.num_validations
    every = max(1, -(-num_steps // num_validations))
    return Budget(
        epoch=epoch,
        num_train_samples=num_train,
        num_val_samples=num_val,
        num_steps=-(-num_steps // every) * every,
        val_every_n_steps=every,
    )


def _sizes(
    data: Options, names: Sequence[str], datasets: Datasets, most: int | None = None
) -> list[SetSize]:
    """Count the windows of the training samples, or of `most` of each data set."""
    sizes = []
    for name in names:
        manifest = datasets[name]
        num_there = manifest.num_samples["train"]
        windows = windows_in(data, manifest)
        sizes.append(SetSize.of(manifest, windows, min(most or num_there, num_there)))
    return sizes


def channels(study: StudyFile, run: Run, datasets: Datasets) -> ChannelNames:
    """Name the channels of the run's network.

    They are those of its data; a pre-trained network keeps its own, followed by new ones. One that
    predicts a single field predicts that of its data, whatever its name.
    """
    names = names_of_sets(study, run, datasets, run.datasets)
    if not run.pretrained:
        return names
    own = channels(study, run.pretrained, datasets)
    both = ChannelNames.union([own, names])
    is_one_field = len(own.outputs) == len(names.outputs) == 1
    return both._replace(outputs=own.outputs) if is_one_field else both


def names_of_sets(
    study: StudyFile, run: Run, datasets: Datasets, names: Sequence[str]
) -> ChannelNames:
    """Name what some data sets together give, under the options of a run."""
    data = data_options(study, run)
    return ChannelNames.union([names_of(data, datasets[name]) for name in names])


def run_config(study: StudyFile, run: Run, datasets: Datasets) -> dict[str, Any]:
    """Build the whole configuration of a run; of a zero-shot run, that of its test."""
    stage, recipe = stage_of(study, run), study.recipes[run.recipe]
    plan = budget(study, run, datasets)
    trainer: dict[str, Any] = {**TRAINER, **stage.trainer, **recipe.trainer}
    data: dict[str, Any] = {"batch_size": BATCH_SIZE, "seed": run.seed, **data_options(study, run)}
    data["datasets"] = _folders(study, run.datasets)
    if study.rollout and any(datasets[name].is_evolution for name in run.datasets):
        data["rollout"] = study.rollout
    if plan.num_steps:
        trainer |= {
            "max_steps": plan.num_steps,
            "max_epochs": -1,
            "check_val_every_n_epoch": None,
            "val_check_interval": plan.val_every_n_steps,
        }
    data |= _pretraining_options(study, run) if run.init == Init.PRETRAIN else {}
    if run.num_samples:
        data |= {"num_train_samples": plan.num_train_samples, "subset_seed": run.subset_draw}
    if plan.num_val_samples:
        data |= {"num_val_samples": plan.num_val_samples, "val_split": "train"}
    if plan.epoch.num_replayed and run.pretrained:
        data["replay"] = _folders(study, run.pretrained.datasets)
        data["replay_share"] = recipe.replay_share
    return {
        "run_dir": str(study.run_dir(run)),
        "seed_everything": run.seed,
        "matmul_precision": study.matmul_precision,
        "model": _model(study, run, datasets),
        "data": data,
        "trainer": trainer,
    }


def _pretraining_options(study: StudyFile, run: Run) -> dict[str, Any]:
    """List options of the data module that a pre-training has by itself."""
    part = study.pretrainings[run.pretraining]
    found: dict[str, Any] = {}
    if part.weights:
        found["weights"] = list(part.weights)
    if part.shuffled:
        is_increment = model_options(study, run).get("predicts") == "increment"
        found["shuffle_pairs"] = "increments" if is_increment else "outputs"
    return found


def _folders(study: StudyFile, names: Sequence[str]) -> list[str]:
    return [str(study.dataset_dir(name)) for name in names]


def model_options(study: StudyFile, run: Run) -> dict[str, Any]:
    """Merge the init_args of the LightningModule from stage and recipe, without the network."""
    recipe = study.recipes[run.recipe]
    of_tuning = recipe.fine_tune if run.init == Init.FINE_TUNE else {}
    return merged({"optimizer": ADAM}, stage_of(study, run).model, recipe.model, of_tuning)


def sees_steady_sets_alone(run: Run, datasets: Datasets) -> bool:
    """Tell whether no data set of a run, and of its pre-training, evolves."""
    seen = {*run.datasets, *(run.pretrained.datasets if run.pretrained else ())}
    return not any(datasets[name].is_evolution for name in seen if name in datasets)


def _model(study: StudyFile, run: Run, datasets: Datasets) -> dict[str, Any]:
    network, arguments = study.network_of(run.model)
    arguments = network_arguments(arguments, channels(study, run, datasets))
    options = model_options(study, run)
    if options.get("predicts") == "increment" and sees_steady_sets_alone(run, datasets):
        del options["predicts"]  # as networks that are trained on both do of a steady set
    class_path = "PretrainingModule"
    if run.init == Init.FINE_TUNE and run.pretrained:
        class_path = "FineTuningModule"
        options["checkpoint"] = study.checkpoint_of(run.pretrained)
    if run.learning_rate:
        options = merged(options, {"optimizer": {"init_args": {"lr": run.learning_rate}}})
    of_network = {"class_path": network, "init_args": arguments}
    return {"class_path": class_path, "init_args": {"network": of_network, **options}}


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
