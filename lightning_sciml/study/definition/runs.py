"""The runs of a study: what distinguishes one from another, and its name."""

from dataclasses import dataclass
from enum import StrEnum


class Init(StrEnum):
    """Origin of the weights of a downstream run."""

    SCRATCH = "scratch"
    ZERO_SHOT = "zero_shot"
    FINE_TUNE = "fine_tune"


@dataclass(frozen=True, kw_only=True)
class PretrainingRun:
    """Training from random weights on whole data sets; shared by the downstream runs that use it.

    Attributes:
        pretraining: which of the study's pre-trainings.
        model: which of the study's model sizes.
        recipe: which of the study's recipes.
        seed: of weights and order of samples.
    """

    pretraining: str
    model: str
    recipe: str
    seed: int

    @property
    def name(self) -> str:
        """Name of the run and of its folder."""
        return f"pretrain-{self.pretraining}-{self.model}-{self.recipe}-s{self.seed}"


@dataclass(frozen=True, kw_only=True)
class DownstreamRun:
    """Training on a few samples of a data set, or on none, followed by a test on this set.

    Attributes:
        init: where the weights come from.
        dataset: name of the downstream data set.
        model: which of the study's model sizes.
        recipe: which of the study's recipes.
        pretrained: the run whose weights are taken; None from scratch.
        num_samples: labelled samples that may be used; 0 for zero-shot.
        learning_rate: peak rate; None for zero-shot.
        seed: of weights and order of samples.
        subset_draw: seed of the draw of the samples; draws of one seed are nested.
    """

    init: Init
    dataset: str
    model: str
    recipe: str
    pretrained: PretrainingRun | None
    num_samples: int
    learning_rate: float | None
    seed: int
    subset_draw: int

    @property
    def name(self) -> str:
        """Name of the run and of its folder."""
        words: list[str] = [self.init]
        if self.pretrained:
            words.append(f"{self.pretrained.pretraining}.s{self.pretrained.seed}")
        words += [self.dataset, self.model, self.recipe]
        if self.init != Init.ZERO_SHOT:
            rate = f"{self.learning_rate:g}".replace("-", "m")
            words += [f"n{self.num_samples}", f"lr{rate}", f"s{self.seed}", f"d{self.subset_draw}"]
        return "-".join(words)


Run = PretrainingRun | DownstreamRun
