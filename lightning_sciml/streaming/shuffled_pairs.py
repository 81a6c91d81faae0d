"""Inputs paired with the outputs of other samples: a control that has nothing to learn from."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch

from lightning_sciml.errors import InputError
from lightning_sciml.shards.sample_files import Places
from lightning_sciml.streaming.epoch_plan import Group
from lightning_sciml.streaming.mixture import Batch, Mixture
from lightning_sciml.streaming.mixture_member import ChannelNames, Drawn, MixtureMember, Samples
from lightning_sciml.streaming.random_streams import Stream, stream_words

ShuffledPairs = Literal["outputs", "increments"]


class ShuffledMixture(Mixture):
    """Samples whose outputs are those of another sample, with all marginal statistics unchanged.

    The other one lies a fixed number of places further round among the samples of its data set that
    take part, which are in random order: each sample lends its outputs once, none to itself. Of a
    trajectory it is the window of another trajectory at the same stored times. The pairs are a
    function of (seed, index), the same in every epoch and on any number of ranks.

    Args:
        members: the data sets.
        names: of the channels of all members, each once.
        shuffle_pairs: "outputs" are those of the other sample; "increments" of states are, added to
            the own last input state. Fields that are no states have "outputs" either way.
        seed: of the pairs.
        pin_memory: as for Mixture.

    Raises:
        InputError: a data set has one sample, and no other to take outputs from.
    """

    def __init__(
        self,
        members: Sequence[MixtureMember],
        names: ChannelNames,
        *,
        shuffle_pairs: ShuffledPairs,
        seed: int,
        pin_memory: bool = False,
    ) -> None:
        super().__init__(members, names, pin_memory=pin_memory)
        self.shuffle_pairs = shuffle_pairs
        for member in members:
            if member.subset.num_samples < 2:
                raise InputError(
                    "shuffle_pairs takes outputs from another sample and needs at least 2, got 1 "
                    f"of {member.name}; raise num_train_samples, or leave shuffle_pairs out"
                )
        self._shifts = [
            1 + int(stream_words(seed, Stream.PAIRS, d, count=1)[0] % (m.subset.num_samples - 1))
            for d, m in enumerate(members)
        ]
        self._states = [
            (names.inputs.index(f), j) for j, f in enumerate(names.outputs) if f in names.inputs
        ]

    def batch(self, samples: Samples, group: Group, global_size: int) -> Batch:
        """Load samples as one batch, each with the outputs of its partner."""
        own = super().batch(samples, group, global_size)
        other = super().batch(self._partners(samples), group, global_size)
        own.outputs.copy_(other.outputs)
        if self.shuffle_pairs == "increments":
            is_state = [self.members[d].dataset.is_evolution for d in own.dataset.tolist()]
            rows = torch.tensor(is_state, dtype=torch.bool, device=own.inputs.device)
            for channel, field in self._states:
                moved = own.inputs[rows, channel] - other.inputs[rows, channel]
                own.outputs[rows, :, field] += moved[:, None]
        return own

    def _partners(self, samples: Samples) -> Samples:
        """Find the windows of the other samples, at the same stored times."""
        drawn = Drawn(*(values.copy() for values in samples.drawn))
        places = Places(*(values.copy() for values in samples.places))
        for d in set(samples.dataset.tolist()):
            rows, member = np.flatnonzero(samples.dataset == d), self.members[d]
            positions = (drawn.positions[rows] + self._shifts[d]) % member.subset.num_samples
            drawn.positions[rows], drawn.samples[rows] = positions, member.subset(positions)
            located = member.locate(Drawn(*(values[rows] for values in drawn)))
            for values, found in zip(places, located, strict=True):
                values[rows] = found
        return samples._replace(drawn=drawn, places=places)
