"""The parts of a study's YAML: stages, pre-trainings, recipes and grids."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from lightning_sciml.study.definition.runs import Init

Options = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Options that all pre-trainings, or all downstream runs, share.

    Attributes:
        epochs: passes over the samples.
        min_steps: optimizer steps that a run takes at least, however few its samples.
        num_validations: how often it is validated, evenly spread; the last time at the end.
        seeds: of pre-trainings. A downstream run of seed s takes number s modulo their number.
        model: init_args of the LightningModule.
        data: options of the data module.
        trainer: options of the trainer.
    """

    epochs: int = 0
    min_steps: int = 0
    num_validations: int = 20
    seeds: Sequence[int] = (0,)
    model: Options = field(default_factory=dict)
    data: Options = field(default_factory=dict)
    trainer: Options = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Pretraining:
    """One pre-training set, or a mixture of several.

    Attributes:
        datasets: names of the data sets.
        weights: their shares of an epoch, kept exactly; by their sizes by default.
        min_steps: optimizer steps at least, in place of those of the section `pretrain`.
        shuffled: pair inputs with what belongs to other samples, as a control: the outputs, or the
            increments where these are predicted.
        checkpoint: take these weights, trained on `datasets` elsewhere, instead of training.
    """

    datasets: Sequence[str]
    weights: Sequence[float] | None = None
    min_steps: int | None = None
    shuffled: bool = False
    checkpoint: str | None = None


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A named way of training: an arm of an ablation.

    Attributes:
        model: init_args of the LightningModule in all runs of the recipe.
        fine_tune: further ones in fine-tuning alone.
        data: options of the data module in all runs of the recipe, over those of their section.
        fine_tune_data: further ones in fine-tuning alone.
        trainer: options of the trainer in all runs of the recipe.
        replay_share: share of the pre-training sets in an epoch of fine-tuning.
        pretrained_as: take the pre-trained weights of this recipe instead of its own.
    """

    model: Options = field(default_factory=dict)
    fine_tune: Options = field(default_factory=dict)
    data: Options = field(default_factory=dict)
    fine_tune_data: Options = field(default_factory=dict)
    trainer: Options = field(default_factory=dict)
    replay_share: float = 0.0
    pretrained_as: str | None = None


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Downstream runs: every combination of what is listed.

    Attributes:
        datasets: downstream data sets.
        inits: where weights come from.
        pretrainings: names of pre-trainings, for zero_shot and fine_tune.
        num_samples: labelled samples, for scratch and fine_tune.
        learning_rates: of which validation chooses, for scratch and fine_tune.
        seeds: of weights and order.
        subset_draws: seeds of the draw of samples; "seed" draws anew with each seed.
        models: model sizes; all by default.
        recipes: recipes; all by default.
    """

    datasets: Sequence[str]
    inits: Sequence[str]
    pretrainings: Sequence[str] = ()
    num_samples: Sequence[int] = ()
    learning_rates: Sequence[float] = ()
    seeds: Sequence[int] = (0,)
    subset_draws: Sequence[int] | Literal["seed"] = "seed"
    models: Sequence[str] | None = None
    recipes: Sequence[str] | None = None

    @property
    def starts_from_weights(self) -> bool:
        """Whether some of its runs start from pre-trained weights."""
        return bool({Init.ZERO_SHOT, Init.FINE_TUNE} & set(self.inits))

    @property
    def trained_inits(self) -> list[str]:
        """Kinds of runs that are trained."""
        return sorted({Init.SCRATCH, Init.FINE_TUNE} & set(self.inits))
