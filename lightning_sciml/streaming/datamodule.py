"""The data of a run: one or several data sets on disk, as loaders of training and evaluation."""

import math
from collections.abc import Collection, Sequence
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, Literal

import lightning.pytorch as pl
import torch
from lightning.pytorch.utilities import rank_zero_info

from lightning_sciml.errors import InputError, reject_below
from lightning_sciml.lists import listed
from lightning_sciml.shards.dataset_names import reject_equal_names
from lightning_sciml.shards.reader import ShardedDataset
from lightning_sciml.streaming.epoch_plan import EpochPlan, replay_share_fault
from lightning_sciml.streaming.loader import ResumableLoader
from lightning_sciml.streaming.mixture import Batch, Mixture
from lightning_sciml.streaming.mixture_member import (
    ChannelNames,
    MixtureMember,
    member_of,
    with_epoch_counts,
)
from lightning_sciml.streaming.rollouts import NumSteps, rollout_batch_size, rollout_of
from lightning_sciml.streaming.sampler import EpochOrder
from lightning_sciml.streaming.shuffled_pairs import ShuffledMixture, ShuffledPairs
from lightning_sciml.streaming.staging import stage_dataset, staged
from lightning_sciml.streaming.training_statistics import (
    TrainingStatistics,
    reject_not_finite,
    training_statistics,
)
from lightning_sciml.streaming.windows import WindowOptions, windows_of

Split = Literal["train", "val", "test"]
REPLAY_SHARE = 0.5
SPLITS: dict[str, tuple[Split, ...]] = {
    "fit": ("train", "val"),
    "validate": ("val",),
    "test": ("test",),
}


class PDEDataModule(pl.LightningDataModule):
    """Data sets of ``sciml generate`` or ``sciml data import``, mixed where several are named.

    Args:
        datasets: folders of the data sets. A batch is of one grid, and steady or of trajectories.
        batch_size: global batch, over all ranks; a smaller training set shrinks it.
        eval_batch_size: global batch of validation and test; as `batch_size` by default.
        num_train_samples: train on this many samples, or trajectories, of each data set, drawn with
            `subset_seed`; draws of one seed are nested. All of them by default.
        num_val_samples: validate on this many samples, or trajectories, of each data set; all of
            them by default.
        val_split: the split they are taken from: its first ones, or, of "train", those that follow
            the drawn training samples, so that no others need to be labelled.
        subset_seed: seed of that draw.
        history: states of a trajectory that are given to the network.
        num_unrolled_steps: states behind them that it is to predict, one after another.
        stride: stored times from one of these states to the next. A list trains on windows of each
            of these strides; validation, test and rollouts take the first.
        window_starts: how many windows of each trajectory an epoch takes, of all strides together,
            drawn anew in each epoch of training; "all" takes every start time that leaves room for
            the states.
        rollout: steps that ``sciml test`` and ``predict`` predict from the first `history` states
            of each trajectory on, each from the ones before; "all" goes on to the last stored
            state. Without it they take the windows of the training.
        val_rollout: steps, or "all", over which the first validation trajectory of each data set is
            rolled out after each validation of a training, for its error and frames in TensorBoard.
        weights: shares of the data sets in an epoch, kept exactly; by their sizes by default.
        samples_per_epoch: samples, or windows of trajectories, in an epoch; as many as there are by
            default.
        replay: folders of data sets that are added to the training, whole: those of the
            pre-training, so that fine-tuning does not forget them. Nothing is validated on them.
        replay_share: their share of an epoch, which passes over all other samples, too.
        shuffle_pairs: train on the inputs of each sample with what belongs to another of its data
            set, a control: its outputs, or the increments of its states. Validation and test have
            the true pairs.
        seed: seed of the order of the training samples, and of the symmetries they are moved by.
        predict_split: the split that ``sciml predict`` runs over.
        verify: what is checked before the first step: nothing, sizes and stored checksums
            ("header"), or every byte ("full": some 5 GB a second from the page cache; for sets far
            beyond memory run ``sciml data verify`` once, and "header" from then on).
        cache: keep the training set nowhere, in memory, or on the device of its rank.
        num_prefetch: batches read ahead, in one or two threads.
    """

    def __init__(
        self,
        datasets: Sequence[str] | str,
        *,
        batch_size: int = 128,
        eval_batch_size: int | None = None,
        num_train_samples: int | None = None,
        num_val_samples: int | None = None,
        val_split: Literal["val", "train"] = "val",
        subset_seed: int = 0,
        history: int = 1,
        num_unrolled_steps: int = 1,
        stride: Sequence[int] | int = 1,
        window_starts: Literal["all"] | int = "all",
        rollout: Literal["all"] | int | None = None,
        val_rollout: Literal["all"] | int | None = None,
        weights: Sequence[float] | float | None = None,
        samples_per_epoch: int | None = None,
        replay: Sequence[str] | str = (),
        replay_share: float = REPLAY_SHARE,
        shuffle_pairs: ShuffledPairs | None = None,
        seed: int = 0,
        predict_split: Split = "test",
        verify: Literal["none", "header", "full"] = "full",
        cache: Literal["none", "memory", "device"] = "none",
        num_prefetch: int = 2,
    ) -> None:
        super().__init__()
        self.directories = [Path(d) for d in listed(datasets)]
        self.replay, self.replay_share = [Path(d) for d in listed(replay)], replay_share
        self.shuffle_pairs = shuffle_pairs
        self.stage_dir: Path | None = None  # of the machine and not of the run: set by the program
        self.batch_size = batch_size
        self.eval_batch_size = batch_size if eval_batch_size is None else eval_batch_size
        self.num_train_samples, self.num_val_samples = num_train_samples, num_val_samples
        self.val_split = val_split
        self.subset_seed, self.seed = subset_seed, seed
        self.windows = WindowOptions(
            history=history,
            num_unrolled_steps=num_unrolled_steps,
            stride=stride,
            window_starts=window_starts,
        )
        self.rollout: NumSteps | None = rollout
        self.val_rollout: NumSteps | None = val_rollout
        self.weights = None if weights is None else listed(weights)
        self.samples_per_epoch = samples_per_epoch
        self.predict_split, self.verify = predict_split, verify
        self.cache, self.num_prefetch = cache, num_prefetch
        self.mixtures: dict[Split, Mixture] = {}
        self._reject_invalid()

    def _reject_invalid(self) -> None:
        if not self.directories:
            raise InputError("datasets must name at least one folder, got none")
        numbers = ("num_train_samples", "num_val_samples", "samples_per_epoch")
        for least, names in (
            (1, ("batch_size", "eval_batch_size", *numbers)),
            (0, ("seed", "subset_seed", "num_prefetch")),
        ):
            reject_below(least, **{name: getattr(self, name) for name in names})
        rollouts = {"rollout": self.rollout, "val_rollout": self.val_rollout}
        reject_below(1, **{name: steps for name, steps in rollouts.items() if steps != "all"})
        if fault := replay_share_fault(self.replay_share):
            raise InputError(fault)
        if not self.replay and self.replay_share not in (0, REPLAY_SHARE):
            raise InputError(
                f"replay_share={self.replay_share} needs data sets in replay, got none; name "
                "those of the pre-training, or leave replay_share out"
            )
        if self.val_split == "train" and not (self.num_train_samples and self.num_val_samples):
            raise InputError(
                "val_split=train needs num_train_samples and num_val_samples, got "
                f"{self.num_train_samples} and {self.num_val_samples}"
            )
        weights, num_sets = self.weights, len(self.directories)
        if weights and (len(weights) != num_sets or not all(0 < w < math.inf for w in weights)):
            raise InputError(
                f"weights must be one positive number a data set, got {weights} for {num_sets} "
                "data sets"
            )

    def prepare_data(self) -> None:
        """Copy the data sets to this node, once on each, if there is a folder for it."""
        if self.stage_dir:
            for directory in (*self.directories, *self.replay):
                stage_dataset(directory, self.stage_dir)

    def setup(self, stage: str) -> None:
        """Open the splits that the stage needs.

        Raises:
            InputError: a data set cannot be used, the batch does not divide over the ranks, or the
                trainer wants to overfit batches.
        """
        if self.trainer and self.trainer.overfit_batches:  # type: ignore[attr-defined]
            raise InputError(
                f"trainer.overfit_batches={self.trainer.overfit_batches} would take other samples "  # type: ignore[attr-defined]
                "in each epoch; to overfit a few, set data.num_train_samples"
            )
        for split in SPLITS.get(stage, (self.predict_split,)):
            whole, rollout = stage == "predict", self.rollout
            rollout = rollout if stage in ("test", "predict") else None
            self.mixtures[split] = self._open(split, whole=whole, rollout=rollout)
        if stage == "fit":
            self._say_idle_options()
            self.reject_uneven_shares(self._world_size)
            if self.cache != "none":
                is_cuda = self.cache == "device" and torch.cuda.is_available()
                device = self.trainer.strategy.root_device if is_cuda and self.trainer else "cpu"
                self.mixtures["train"].cache_on(torch.device(device))

    def _say_idle_options(self) -> None:
        """Say that options of windows do nothing where no data set has any."""
        has_windows = any(m.dataset.is_evolution for m in self.mixtures["train"].members)
        given = [f"data.{f.name}" for f in fields(WindowOptions) if _is_given(f, self.windows)]
        if given and not has_windows:
            rank_zero_info(f"{', '.join(given)} are of trajectories: steady data sets have none")

    def reject_uneven_shares(self, num_processes: int) -> None:
        """Check that a batch can be shared equally; a program asks before it starts processes.

        Raises:
            InputError: it cannot.
        """
        rest = self.batch_size % num_processes
        if rest:
            raise InputError(
                f"batch_size must be a multiple of the number of processes, got "
                f"batch_size={self.batch_size} over {num_processes}; "
                f"try {self.batch_size - rest or num_processes}"
            )

    @property
    def coefficient_names(self) -> tuple[str, ...]:
        """Coefficients of all data sets, each once."""
        return next(iter(self.mixtures.values())).coefficient_names

    @property
    def input_fields(self) -> tuple[str, ...]:
        """Input channels of all data sets, each once."""
        return next(iter(self.mixtures.values())).input_fields

    @property
    def output_fields(self) -> tuple[str, ...]:
        """Output fields of all data sets, each once."""
        return next(iter(self.mixtures.values())).output_fields

    @property
    def train_plan(self) -> EpochPlan:
        """Samples and batches of an epoch of training."""
        members, num_own = self.mixtures["train"].members, len(self.directories)
        return self._plan(members[:num_own], members[num_own:])

    def train_statistics(
        self,
        *,
        with_increments: bool = False,
        in_units: bool = False,
        amplitudes: Collection[str] = (),
    ) -> TrainingStatistics:
        """Compute ``training_statistics`` of this run, with these of its options."""
        members, num_own = self.mixtures["train"].members, len(self.directories)
        own, replayed = members[:num_own], members[num_own:]
        return training_statistics(
            own,
            replayed,
            with_increments=with_increments,
            in_units=in_units,
            amplitudes=amplitudes,
        )

    def train_dataloader(self) -> ResumableLoader:
        """Make shuffled batches of the training split."""
        sizes = self.mixtures["train"].group_sizes
        for group, num_samples in sizes.items():
            if num_samples < self._world_size:
                height, width = group.shape
                raise InputError(
                    f"training needs at least one sample a process, got {num_samples} samples of "
                    f"{height}×{width} points over {self._world_size} processes; use fewer "
                    "processes"
                )
        return self._loader("train", min(self.batch_size, sum(sizes.values())), shuffle=True)

    def val_dataloader(self) -> ResumableLoader:
        """Make batches of the validation split, in order."""
        return self._loader("val", self.eval_batch_size)

    def test_dataloader(self) -> ResumableLoader:
        """Make batches of the test split, in order."""
        return self._loader("test", self.eval_batch_size)

    def predict_dataloader(self) -> ResumableLoader:
        """Make batches of `predict_split`, in order."""
        return self._loader(self.predict_split, self.eval_batch_size)

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        """Move a batch as one piece of memory, at Lightning's request."""
        return batch.to(device)

    @property
    def _world_size(self) -> int:
        return self.trainer.world_size if self.trainer else 1

    @property
    def _num_finished_epochs(self) -> int:
        """Epochs done: Lightning does not load a loader's state from the end of an epoch."""
        if self.trainer is None:
            return 0
        return self.trainer.fit_loop.epoch_progress.current.processed  # type: ignore[attr-defined]

    def _loader(self, split: Split, batch_size: int, *, shuffle: bool = False) -> ResumableLoader:
        mixture, is_on_device = self.mixtures[split], shuffle and self.cache == "device"
        sizes = tuple(mixture.group_sizes.values())
        if mixture.members[0].windows.is_rollout:
            batch_size = rollout_batch_size(mixture.members, batch_size, self._world_size)
        return ResumableLoader(
            mixture,
            EpochOrder(group_sizes=sizes, batch_size=batch_size, seed=self.seed, shuffle=shuffle),
            rank=self.trainer.global_rank if self.trainer else 0,
            world_size=self._world_size,
            epoch=self._num_finished_epochs,
            num_prefetch=0 if is_on_device else self.num_prefetch,
        )

    def _open(self, split: Split, *, whole: bool, rollout: NumSteps | None = None) -> Mixture:
        source = self.val_split if split == "val" else split
        is_training = split == "train" and not whole
        is_replaying = is_training and self.replay_share > 0
        datasets = self._datasets(self.directories, source)
        replayed = self._datasets(self.replay, source) if is_replaying else []
        reject_equal_names(datasets)
        options = self.windows if is_training else self.windows.of_evaluation
        windows = {
            d: windows_of(d.manifest, options, seed=self.seed)
            if rollout is None
            else rollout_of(d.manifest, self.windows, rollout)
            for d in (*datasets, *replayed)
        }
        names = ChannelNames.union([ChannelNames.of(d, windows[d]) for d in windows])
        if not is_training and "train" in self.mixtures:  # one order of channels in all splits
            names = self.mixtures["train"].names
        wanted = {"train": self.num_train_samples, "val": self.num_val_samples}.get(split)
        members = [
            member_of(
                d,
                windows[d],
                names,
                num_samples=None if whole else wanted,
                start=(self.num_train_samples or 0) if source != split else 0,
                seed=self.subset_seed if source == "train" else None,
            )
            for d in datasets
        ]
        others = [member_of(d, windows[d], names) for d in replayed]
        if is_training:
            plan = self._plan(members, others)
            counts = (*plan.own_counts, *plan.replayed_counts)
            members = with_epoch_counts([*members, *others], counts)
        reject_not_finite(members)
        pin_memory = torch.cuda.is_available()
        if is_training and (pairs := self.shuffle_pairs):
            return ShuffledMixture(
                members, names, shuffle_pairs=pairs, seed=self.seed, pin_memory=pin_memory
            )
        return Mixture(members, names, pin_memory=pin_memory)

    def _plan(
        self, members: Sequence[MixtureMember], replayed: Sequence[MixtureMember]
    ) -> EpochPlan:
        """Plan an epoch of these members, and what is replayed beside them."""
        return EpochPlan(
            own=[member.size for member in members],
            batch_size=self.batch_size,
            weights=self.weights,
            samples_per_epoch=self.samples_per_epoch,
            replayed=[member.size for member in replayed],
            replay_share=self.replay_share,
        )

    def _datasets(self, directories: Sequence[Path], split: Split) -> list[ShardedDataset]:
        stage_dir = self.stage_dir
        folders = [staged(d, stage_dir) if stage_dir else d for d in directories]
        return [ShardedDataset(d, split, verify=self.verify) for d in folders]


def _is_given(option: Field[Any], windows: WindowOptions) -> bool:
    """Tell whether an option of windows differs from its default."""
    return bool(getattr(windows, option.name) != option.default)


def pde_data(trainer: pl.Trainer) -> PDEDataModule:
    """The data module of a trainer, which Lightning does not declare."""
    data: PDEDataModule = trainer.datamodule  # type: ignore[attr-defined]
    return data
