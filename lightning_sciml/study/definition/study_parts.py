"""The parts of a study's YAML: stages, pre-trainings, recipes and grids."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from lightning_sciml.streaming.epoch_plan import replay_share_fault
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

    def faults(self) -> list[str]:
        """List invalid values, one line each."""
        found = []
        if self.epochs < 1 and self.min_steps < 1:
            found.append("epochs or min_steps must be at least 1, got neither")
        if self.num_validations < 1:
            found.append(f"num_validations must be at least 1, got {self.num_validations}")
        found += _invalid_seeds("seeds", self.seeds) + _reserved_options(self.trainer)
        return found + self._invalid_data()

    def _invalid_data(self) -> list[str]:
        found = [
            f"data.{key} follows from pretrainings, recipes and grids; leave it out"
            for key in ("datasets", "weights", "replay", "replay_share")
            if key in self.data
        ]
        for key in ("batch_size", "num_train_samples", "samples_per_epoch"):
            value = self.data.get(key, 1)
            if not isinstance(value, int) or value < 1:
                found.append(f"data.{key} must be a whole number, at least 1, got {value!r}")
        return found


@dataclass(frozen=True, kw_only=True)
class Pretraining:
    """One pre-training set, or a mixture of several.

    Attributes:
        datasets: names of the data sets.
        weights: their shares of an epoch, kept exactly; by their sizes by default.
        checkpoint: take these weights, trained on `datasets` elsewhere, instead of training.
    """

    datasets: Sequence[str]
    weights: Sequence[float] | None = None
    checkpoint: str | None = None

    def faults(self) -> list[str]:
        """List invalid values, one line each."""
        if self.weights is not None and len(self.weights) != len(self.datasets):
            return [f"{len(self.datasets)} data sets need as many weights, got {self.weights}"]
        if self.weights and not all(0 < weight < math.inf for weight in self.weights):
            return [f"weights must be positive, got {self.weights}"]
        if len(set(self.datasets)) < len(self.datasets):
            return [f"datasets must name each once, got {self.datasets}"]
        return [] if self.datasets else ["datasets must name at least one, got none"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A named way of training: an arm of an ablation.

    Attributes:
        model: init_args of the LightningModule in all runs of the recipe.
        fine_tune: further ones in fine-tuning alone.
        trainer: options of the trainer in all runs of the recipe.
        replay_share: share of the pre-training sets in an epoch of fine-tuning.
        pretrained_as: take the pre-trained weights of this recipe instead of its own.
    """

    model: Options = field(default_factory=dict)
    fine_tune: Options = field(default_factory=dict)
    trainer: Options = field(default_factory=dict)
    replay_share: float = 0.0
    pretrained_as: str | None = None

    def faults(self) -> list[str]:
        """List invalid values, one line each."""
        found = _reserved_options(self.trainer)
        if fault := replay_share_fault(self.replay_share):
            found.append(fault)
        return found


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

    def faults(self) -> list[str]:
        """List invalid values, one line each."""
        known = [str(i) for i in Init]
        found = [
            f"{key} must name at least one, got none"
            for key in ("datasets", "inits", "models", "recipes")
            if getattr(self, key) is not None and not getattr(self, key)
        ]
        found += _invalid_seeds("seeds", self.seeds)
        if self.subset_draws != "seed":
            found += _invalid_seeds("subset_draws", self.subset_draws)
        found += [
            f"init must be one of {', '.join(known)}, got {i}" for i in self.inits if i not in known
        ]
        is_trained = {Init.SCRATCH, Init.FINE_TUNE} & set(self.inits)
        if is_trained and not (self.num_samples and self.learning_rates):
            found.append(f"{', '.join(sorted(is_trained))} needs num_samples and learning_rates")
        if {Init.ZERO_SHOT, Init.FINE_TUNE} & set(self.inits) and not self.pretrainings:
            found.append("zero_shot and fine_tune need pretrainings, got none")
        found += [f"num_samples must be at least 1, got {n}" for n in self.num_samples if n < 1]
        found += [
            f"a learning rate must be positive, got {rate}"
            for rate in self.learning_rates
            if not 0 < rate < math.inf
        ]
        return found


def _invalid_seeds(name: str, seeds: Sequence[Any]) -> list[str]:
    if not seeds:
        return [f"{name} must hold at least one number, got none"]
    return [f"{name} must be at least 0, got {seed}" for seed in seeds if seed < 0]


def _reserved_options(trainer: Options) -> list[str]:
    reserved = {"max_steps", "max_epochs", "val_check_interval", "check_val_every_n_epoch"}
    return [
        f"trainer.{key} follows from epochs, min_steps and num_validations; leave it out"
        for key in sorted(reserved & set(trainer))
    ]
