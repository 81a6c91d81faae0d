"""Train from a pre-trained operator."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor, nn

from lightning_sciml.checkpoints.files import Checkpoint, read_checkpoint, weights_checksum
from lightning_sciml.checkpoints.operator_files import network_of, reject_not_finite
from lightning_sciml.lists import listed
from lightning_sciml.models.low_rank import add_low_rank_updates, merged
from lightning_sciml.operators.augmentation import Augmentation
from lightning_sciml.operators.coordinates import Coordinates
from lightning_sciml.operators.increments import Predicts
from lightning_sciml.operators.network_contract import ChannelNames
from lightning_sciml.operators.neural_operator import NeuralOperator, NormalizationName
from lightning_sciml.operators.problem import Problem
from lightning_sciml.streaming.datamodule import pde_data
from lightning_sciml.training.losses import LossName
from lightning_sciml.training.module import OperatorModule
from lightning_sciml.training.trained_parts import (
    Trains,
    freeze_parts,
    rate_groups,
    table_of_fates,
)
from lightning_sciml.training.unknown_equations import warn_of_other_answers
from lightning_sciml.training.weight_transfer import (
    SCALES,
    Channels,
    Origin,
    joined_names,
    reject_other_prediction,
    reject_other_scales,
    reject_renamed_fields,
    take_over,
    warn_of_other_coordinates,
)

PAPER_RECIPE: dict[str, Any] = {  # of a ckpt.tar, which does not tell it
    "loss": "sum_of_squares",
    "normalization": "paper",
    "coordinates": (),
    "predicts": "state",
    "conserves_means": False,
    "augmentations": (),
}


class FineTuningModule(OperatorModule):
    """Trains a pre-trained operator, or parts of it, on a downstream data set.

    Network and recipe are those of the checkpoint unless they are given. Channels are matched by
    name; the network gets new ones for what only the data have. Parts are named by patterns of
    tensor names: ``network.lifting.*``, ``network.blocks.[01].*``, ``network.blocks.*.spectral.*``,
    ``network.projection.*``. A table of every tensor's fate is shown before the first step.

    Args:
        checkpoint: written by a pre-training run, or the folder of the run, whose best.ckpt is
            taken; or an export, or a ckpt.tar of the paper's code.
        network: of the same class and size as the pre-trained one; that of the checkpoint by
            default.
        loss: as for PretrainingModule; that of the checkpoint by default.
        normalization: of the inputs; that of the checkpoint by default.
        coordinates: in which the network sees problems; those of the checkpoint by default.
        predicts: the next state or its increment, as the checkpoint does by default; weights that
            have learnt the one are not taken for the other.
        conserves_means: keep the means that equations conserve; as the checkpoint does by default.
        augmentations: of training samples; those of the checkpoint by default.
        statistics: whose medians normalise the inputs: those of the pre-training set, which the
            weights have learnt to expect, or of the downstream samples.
        new_columns: what the lifting starts from in channels that the checkpoint lacks.
        reinitialize: tensors that start from random weights.
        ignore: tensors of the checkpoint for which this network has no place.
        trains: which tensors are trained. all: every one. pointwise: all but the spectral weights.
            new: none that is loaded as it is, so low-rank updates and reinitialised parts alone.
        freeze: tensors that keep their pre-trained values.
        rate_factors: learning rate by pattern, as a multiple of the optimizer's; "new" stands for
            tensors that are not loaded as they are. The first that fits counts.
        low_rank: r of an update A B of the spectral weights, which are frozen themselves.
        kwargs: as for OperatorModule.

    Raises:
        InputError: the checkpoint is missing, or of another network; a pattern fits no tensor.
    """

    def __init__(
        self,
        checkpoint: str,
        *,
        network: nn.Module | None = None,
        loss: LossName | None = None,
        normalization: NormalizationName | None = None,
        coordinates: Sequence[Coordinates] | None = None,
        predicts: Predicts | None = None,
        conserves_means: bool | None = None,
        augmentations: Sequence[Augmentation] | None = None,
        statistics: Literal["pretrained", "downstream"] = "pretrained",
        new_columns: Literal["zero", "random"] = "zero",
        reinitialize: Sequence[str] | str = (),
        ignore: Sequence[str] | str = (),
        trains: Trains = "all",
        freeze: Sequence[str] | str = (),
        rate_factors: Mapping[str, float] | None = None,
        low_rank: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.checkpoint, self.statistics = checkpoint, statistics
        self.given = {
            "network": network,
            "loss": loss,
            "normalization": normalization,
            "coordinates": coordinates,
            "predicts": predicts,
            "conserves_means": conserves_means,
            "augmentations": augmentations,
        }
        self.new_columns: Literal["zero", "random"] = new_columns
        self.reinitialize, self.ignore = listed(reinitialize), listed(ignore)
        self.frozen, self.rate_factors = listed(freeze), dict(rate_factors or {})
        self.trains: Trains = trains
        self.low_rank = low_rank
        self.pretrained_checksum = ""  # of the weights that training started from
        self._origins: dict[str, Origin] = {}
        self._known_equations: tuple[str, ...] = ()  # of the checkpoint

    def setup(self, stage: str) -> None:
        """Take over the pre-trained weights before training; a resumed run then restores its own.

        The normalisation is fitted to the downstream samples first: what the checkpoint has not
        seen keeps these scales.
        """
        if stage != "fit":
            super().setup(stage)
            return
        checkpoint = read_checkpoint(self.checkpoint)
        reject_not_finite(checkpoint.weights, self.checkpoint)
        self.pretrained_checksum = weights_checksum(checkpoint.weights)
        self._build(checkpoint)
        super().setup(stage)
        self._take_over(checkpoint)
        freeze_parts(
            self.operator,
            self._origins,
            trains=self.trains,
            freeze=self.frozen,
            rate_factors=self.rate_factors,
        )

    def reject_unknown(self, problems: Sequence[Problem], stage: str, **pretrained: Any) -> None:
        """Reject problems without an equation, naming those that the checkpoint knows."""
        known = {"pretrained": self._known_equations, "origin": self.checkpoint}
        super().reject_unknown(problems, stage, **known, **pretrained)

    def pretrained_weights(self) -> dict[str, Tensor]:
        """Return the tensors that were loaded unchanged, by their names here, on the CPU."""
        weights = merged(read_checkpoint(self.checkpoint).weights)
        loaded = [name for name, origin in self._origins.items() if origin == "loaded"]
        return {f"operator.{name}": weights[name] for name in loaded if name in weights}

    def _build(self, checkpoint: Checkpoint) -> None:
        """Make the operator; what the configuration leaves open is as it was pre-trained."""
        told, network = checkpoint.operator, self.given["network"]
        self._known_equations = tuple(problem.equation for problem in told.problems) if told else ()
        recipe: dict[str, Any] = {
            name: getattr(told, name, default) if self.given[name] is None else self.given[name]
            for name, default in PAPER_RECIPE.items()
        }
        reject_other_prediction(
            told.predicts if told else "state", recipe["predicts"], self.checkpoint
        )
        mixture = pde_data(self.trainer).mixtures["train"]
        data = ChannelNames(mixture.input_fields, mixture.coefficient_names, mixture.output_fields)
        names = None
        if told is not None:
            reject_renamed_fields(told.channel_names, data, self.reinitialize, self.checkpoint)
            names = joined_names(told.channel_names, data)
        if network is None:
            network = network_of(checkpoint, self.checkpoint, names)
        loss, augmentations = recipe.pop("loss"), recipe.pop("augmentations")
        operator = NeuralOperator(network, **recipe)
        if self.low_rank is not None:
            add_low_rank_updates(operator.network, self.low_rank)
        self.train_as(operator, loss, augmentations)
        if told is not None:
            warn_of_other_coordinates(told.coordinates, operator.coordinates, self.checkpoint)

    def _take_over(self, checkpoint: Checkpoint) -> None:
        weights = {"is_fitted": self.operator.is_fitted, **merged(checkpoint.weights)}
        left_alone, told = self.reinitialize, checkpoint.operator
        pretrained = (told or self.operator).channel_names
        if self.statistics == "downstream":
            weights = {n: w for n, w in weights.items() if not n.startswith(SCALES)}
            names = [name for name in self.operator.state_dict() if name.startswith(SCALES)]
            left_alone = [*left_alone, *names]
            if told is not None:
                now = self.operator.normalization_name
                warn_of_other_answers(told.normalization, now, self.checkpoint)
        else:
            scales = told.normalization if told else "paper"
            reject_other_scales(weights, scales, self.operator, pretrained, self.checkpoint)
        channels = Channels(
            own=self.operator.channel_names,
            pretrained=pretrained,
            axes=self.operator.channel_axes,
            new_columns=self.new_columns,
        )
        self._origins = take_over(
            self.operator,
            weights,
            channels,
            reinitialize=left_alone,
            ignore=self.ignore,
            origin=self.checkpoint,
        )

    def make_optimizer(self) -> torch.optim.Optimizer:
        """Make one group of parameters for each learning rate, and log the table of tensors."""
        groups = rate_groups(self.operator, self._origins, self.rate_factors)
        optimizer = self._optimizer([{"params": group} for group in groups.values()])
        for factor, group in zip(groups, optimizer.param_groups, strict=True):
            group["lr"] *= factor
        rank_zero_info(table_of_fates(self.operator, self._origins, optimizer))
        return optimizer
