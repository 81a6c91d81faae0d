"""A run of a study: what distinguishes it from others, and its name."""

from dataclasses import dataclass
from enum import StrEnum


class Init(StrEnum):
    """Kind of a run: a pre-training, or where the weights of a downstream run come from."""

    PRETRAIN = "pretrain"
    SCRATCH = "scratch"
    ZERO_SHOT = "zero_shot"
    FINE_TUNE = "fine_tune"


DOWNSTREAM = (Init.SCRATCH, Init.ZERO_SHOT, Init.FINE_TUNE)


@dataclass(frozen=True, kw_only=True)
class Run:
    """Training, unless zero-shot, followed by a test on the same data sets.

    Attributes:
        init: kind of the run.
        pretraining: which of the study's pre-trainings it is, or starts from; empty from scratch.
        datasets: names of the data sets; one for a downstream run.
        model: which of the study's model sizes.
        recipe: which of the study's recipes.
        seed: of weights and order of samples.
        pretrained: the run whose weights are taken, if any; several runs share it.
        num_samples: labelled downstream samples that may be used; 0 for zero-shot and pre-training.
        learning_rate: peak rate; None for zero-shot and pre-training, whose section has it.
        subset_draw: seed of the draw of the samples; draws of one seed are nested.
    """

    init: Init
    pretraining: str = ""
    datasets: tuple[str, ...]
    model: str
    recipe: str
    seed: int
    pretrained: "Run | None" = None
    num_samples: int = 0
    learning_rate: float | None = None
    subset_draw: int = 0

    @property
    def name(self) -> str:
        """Name of the run and of its folder; without a learning rate, of all that differ in it."""
        if self.init == Init.PRETRAIN:
            return f"pretrain-{self.pretraining}-{self.model}-{self.recipe}-s{self.seed}"
        words: list[str] = [self.init]
        if self.pretrained:
            words.append(f"{self.pretraining}.s{self.pretrained.seed}")
        words += [*self.datasets, self.model, self.recipe]
        if self.init != Init.ZERO_SHOT:
            rate = f"lr{self.learning_rate:g}".replace("-", "m") if self.learning_rate else ""
            words += [f"n{self.num_samples}", rate, f"s{self.seed}", f"d{self.subset_draw}"]
        return "-".join(filter(None, words))
