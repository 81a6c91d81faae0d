"""Training that starts from a pre-trained operator."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import torch
import yaml
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn
from torch import Tensor, nn

from lightning_sciml.checkpoints.files import (
    Checkpoint,
    read_checkpoint,
    weights_checksum,
)
from lightning_sciml.errors import InputError
from lightning_sciml.lists import listed
from lightning_sciml.models.spectral import mode_radii
from lightning_sciml.streaming.mixture import Batch
from lightning_sciml.training.low_rank import add_low_rank_updates
from lightning_sciml.training.module import PretrainingModule
from lightning_sciml.training.parallelism import ShardedParameters
from lightning_sciml.training.weight_transfer import (
    ChannelNames,
    Channels,
    Origin,
    TensorFate,
    format_fates,
    matches,
    refuse_idle_patterns,
    take_over,
)


class FineTuningModule(PretrainingModule):
    """Trains a pre-trained network, or parts of it, on a downstream data set.

    Parts are named by patterns of tensor names: ``network.lifting.*``, ``network.blocks.[01].*``,
    ``network.blocks.*.spectral.*``, ``network.projection.*``. Channels are matched by name. A table
    of every tensor's fate is shown before the first step.

    Args:
        network: of the same class and size as the pre-trained one; its coefficient_names may be
            others.
        checkpoint: written by a pre-training run; or an export (.safetensors), or a ckpt.tar of the
            paper's code.
        statistics: whose medians normalise the inputs: those of the pre-training set, which the
            weights have learnt to expect, or of the downstream samples.
        new_columns: what the lifting starts from in channels that the checkpoint lacks.
        reinitialize: tensors that start from random weights.
        ignore: tensors of the checkpoint for which this network has no place.
        freeze: tensors that keep their pre-trained values.
        freeze_modes_below: keep the weights of spectral modes (nx, ny), in periods a side, with
            √(nx² + ny²) below this radius at their pre-trained values.
        rate_factors: learning rate by pattern, as a multiple of the optimizer's; "new" stands for
            tensors that are not loaded as they are. The first that fits counts.
        l2_to_pretrained: α of a term α/2 ‖w - w₀‖² over loaded tensors w (L2-SP, Li et al. 2018).
        low_rank: r of an update A B of the spectral weights, which are frozen themselves.
        kwargs: as for PretrainingModule.

    Raises:
        InputError: the checkpoint is missing, or of another network; a pattern fits no tensor.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        checkpoint: str,
        statistics: Literal["pretrained", "downstream"] = "pretrained",
        new_columns: Literal["zero", "random"] = "zero",
        reinitialize: Sequence[str] | str = (),
        ignore: Sequence[str] | str = (),
        freeze: Sequence[str] | str = (),
        freeze_modes_below: float = 0.0,
        rate_factors: Mapping[str, float] | None = None,
        l2_to_pretrained: float = 0.0,
        low_rank: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(network, **kwargs)
        self.checkpoint, self.statistics = checkpoint, statistics
        self.new_columns: Literal["zero", "random"] = new_columns
        self.reinitialize, self.ignore = tuple(listed(reinitialize)), tuple(listed(ignore))
        self.frozen = tuple(listed(freeze))
        self.freeze_modes_below = freeze_modes_below
        self.rate_factors = dict(rate_factors or {})
        self.l2_to_pretrained = l2_to_pretrained
        self.pretrained_checksum = ""  # of the weights that training started from
        self._origins: dict[str, Origin] = {}
        self._pretrained: dict[str, Tensor] = {}
        self._frozen_modes: dict[str, tuple[Tensor, Tensor]] = {}
        if low_rank is not None:
            add_low_rank_updates(self.network, low_rank)

    def setup(self, stage: str) -> None:
        """Take over the pre-trained weights before training; a resumed run then restores its own.

        The normalisation is fitted to the downstream samples first: what the checkpoint has not
        seen keeps these scales.
        """
        super().setup(stage)
        if stage == "fit":
            self._take_over(read_checkpoint(self.checkpoint))
            parameters = dict(self.named_parameters())
            refuse_idle_patterns("freeze", self.frozen, parameters)
            refuse_idle_patterns(
                "rate_factors", [p for p in self.rate_factors if p != "new"], parameters
            )
            for name, parameter in parameters.items():
                if matches(name, self.frozen):
                    parameter.requires_grad_(False)
            if not any(p.requires_grad for p in parameters.values()):
                raise InputError("nothing is left to train; name less in freeze")
            self._frozen_modes = dict(self._modes_to_freeze())
            if self.freeze_modes_below > 0 and not self._frozen_modes:
                raise InputError(
                    f"freeze_modes_below={self.freeze_modes_below} fits no spectral weight that is "
                    "trained as a whole; leave it out beside low_rank or frozen spectral weights"
                )

    def configure_model(self) -> None:
        """Compile and shard; what is kept of the pre-trained weights is kept whole.

        Raises:
            InputError: the weights are to be sharded, and some of them compared with what they
                were.
        """
        is_compared = self.l2_to_pretrained > 0 or self._frozen_modes
        if is_compared and isinstance(self.trainer.strategy, ShardedParameters):
            raise InputError(
                "l2_to_pretrained and freeze_modes_below need whole parameters on every rank; "
                "use --trainer.strategy ddp"
            )
        super().configure_model()

    def _modes_to_freeze(self) -> Iterator[tuple[str, tuple[Tensor, Tensor]]]:
        """Rows of trained spectral weights that are put back after every step, and their values."""
        for name, weight in self.named_parameters():
            if name.endswith(".spectral.weight") and weight.requires_grad:
                num_modes = math.isqrt(len(weight) // 2)
                rows = torch.nonzero(mode_radii(num_modes) < self.freeze_modes_below)[:, 0]
                if len(rows):
                    rows = rows.to(weight.device)
                    yield name, (rows, weight.detach()[rows].clone())

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """A step, after which frozen modes have their values again, whatever the optimizer does."""
        super().optimizer_step(*args, **kwargs)
        with torch.no_grad():
            for name, (rows, values) in self._frozen_modes.items():
                weight = self.get_parameter(name)
                rows, values = rows.to(weight.device), values.to(weight.device)  # once
                self._frozen_modes[name] = rows, values
                weight[rows] = values

    def _take_over(self, checkpoint: Checkpoint) -> None:
        self.pretrained_checksum = weights_checksum(checkpoint.weights)
        weights = {"_is_fitted": self._is_fitted, **checkpoint.weights}
        has_scales = any(name.startswith("normalization.") for name in weights)
        if self.statistics == "pretrained" and not has_scales:
            raise InputError(
                f"{self.checkpoint} holds no normalisation; set statistics to downstream"
            )
        left_alone = self.reinitialize
        if self.statistics == "downstream":
            weights = {n: w for n, w in weights.items() if not n.startswith("normalization.")}
            left_alone = (*left_alone, "normalization.*")
        own = ChannelNames(self.input_fields, self.coefficient_names)
        told = checkpoint.provenance
        self._compare_coordinates(told)
        pretrained = ChannelNames(
            tuple(told.get("input_fields", own.fields)),
            tuple(told.get("coefficient_names", own.coefficients)),
        )
        channels = Channels(own=own, pretrained=pretrained, new_columns=self.new_columns)
        self._origins = take_over(
            self,
            weights,
            channels,
            reinitialize=left_alone,
            ignore=self.ignore,
            origin=self.checkpoint,
        )
        loaded = [n for n, o in self._origins.items() if o == "loaded"]
        if self.l2_to_pretrained:
            state = self.state_dict()
            self._pretrained = {n: state[n].clone() for n in loaded}

    def _compare_coordinates(self, told: Mapping[str, Any]) -> None:
        """Say so where the weights have learnt from problems in other coordinates."""
        config = yaml.safe_load(told.get("config", "")) or {}
        options = config.get("model", {}).get("init_args", {})
        for name in ("canonicalize", "reduce_anisotropy"):
            before, now = bool(options.get(name, False)), getattr(self, name)
            if before != now:
                rank_zero_warn(
                    f"{self.checkpoint} was trained with {name}: {str(before).lower()}, this run "
                    f"has {str(now).lower()}: its network sees problems in other coordinates"
                )

    def fates(self, optimizer: torch.optim.Optimizer) -> list[TensorFate]:
        """What became of every tensor, once weights are taken over."""
        rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
        names = {name: rates.get(id(p)) for name, p in self.named_parameters()}
        return [
            TensorFate(
                name=name,
                shape=tuple(tensor.shape),
                origin=self._origins.get(name, "new"),
                learning_rate=names.get(name),
                num_frozen_modes=len(self._frozen_modes[name][0])
                if name in self._frozen_modes
                else 0,
            )
            for name, tensor in self.state_dict().items()
        ]

    def _rate_factor(self, name: str) -> float:
        for pattern, factor in self.rate_factors.items():
            is_new = pattern == "new" and self._origins.get(name, "new") != "loaded"
            if is_new or matches(name, [pattern]):
                return factor
        return 1.0

    def make_optimizer(self) -> torch.optim.Optimizer:
        """One group of trained parameters for each learning rate; shows every tensor's fate."""
        groups: dict[float, list[nn.Parameter]] = {}
        for name, parameter in self.named_parameters():
            if parameter.requires_grad:
                groups.setdefault(self._rate_factor(name), []).append(parameter)
        optimizer = self._optimizer([{"params": group} for group in groups.values()])
        for factor, group in zip(groups, optimizer.param_groups, strict=True):
            group["lr"] *= factor
        rank_zero_info(format_fates(self.fates(optimizer)))
        return optimizer

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss, and the pull to the pre-trained weights where there is one."""
        loss = super().training_step(batch, batch_idx)
        if self.l2_to_pretrained:
            loss = loss + self.l2_to_pretrained / 2 * self._distance_squared()
        return loss

    def _distance_squared(self) -> Tensor:
        """‖w - w₀‖² over the trained tensors that were loaded as they are."""
        total = torch.zeros((), device=self.device)
        for name, parameter in self.named_parameters():
            if parameter.requires_grad and name in self._pretrained:
                origin = self._pretrained[name].to(parameter.device)
                self._pretrained[name] = origin
                total = total + (parameter - origin).square().sum()
        return total
