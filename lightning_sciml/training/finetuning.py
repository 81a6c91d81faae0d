"""Training that starts from a pre-trained operator."""

from typing import Any, Literal

from torch import nn

from lightning_sciml.training.pretraining import PretrainingModule
from lightning_sciml.training.transfer import load_checkpoint_weights, load_matching


class FineTuningModule(PretrainingModule):
    """Trains all weights of a pre-trained network on a downstream data set.

    Args:
        network: of the same class and size as the pre-trained one.
        checkpoint: written by a pre-training run.
        statistics: whose medians normalise the inputs: those of the pre-training set, which the
            weights have learnt to expect, or of the downstream samples.
        kwargs: as for PretrainingModule.

    Raises:
        InputError: the checkpoint is missing, or of another network.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        checkpoint: str,
        statistics: Literal["pretrained", "downstream"] = "pretrained",
        **kwargs: Any,
    ) -> None:
        super().__init__(network, **kwargs)
        self.checkpoint, self.statistics = checkpoint, statistics

    def setup(self, stage: str) -> None:
        """Load the pre-trained weights before training; a resumed run then restores its own."""
        if stage == "fit":
            load_matching(self, load_checkpoint_weights(self.checkpoint), self.checkpoint)
            self._is_fitted.fill_(self.statistics == "pretrained")
        super().setup(stage)
