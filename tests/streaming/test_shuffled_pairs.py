"""Shuffled pairs: every marginal is kept, no pair is, and nothing else changes."""

from collections import Counter

import numpy as np
import pytest
import torch
from evolution_sets import evolution_plan, write_evolution

from lightning_sciml.errors import InputError
from lightning_sciml.streaming.datamodule import PDEDataModule
from lightning_sciml.streaming.loader import ResumableLoader

OPTIONS = {"history": 2, "num_unrolled_steps": 2, "batch_size": 8, "num_train_samples": 7}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sets") / "uv"
    write_evolution(folder, evolution_plan(name="uv"))
    return folder


def opened(*folders, **options):
    data = PDEDataModule([str(f) for f in folders], **{**OPTIONS, **options})
    data.setup("fit")
    return data


def states_of(batches):
    """Inputs and outputs by (trajectory, time)."""
    return {
        (int(i), int(t)): (batch.inputs[row].clone(), batch.outputs[row].clone())
        for batch in batches
        for row, (i, t) in enumerate(zip(batch.sample_index, batch.time_index, strict=True))
    }


@pytest.mark.parametrize("cache", ["none", "memory"])
def test_each_sample_has_the_outputs_of_another_trajectory_at_the_same_times(folder, cache):
    true = states_of(opened(folder).train_dataloader())
    data = opened(folder, shuffle_pairs="outputs", cache=cache)
    owners = {}
    for _ in range(2):  # the pairs of one epoch are those of the next
        for (i, t), (inputs, outputs) in states_of(data.train_dataloader()).items():
            assert torch.equal(inputs, true[i, t][0])
            (owner,) = (j for j, s in true if s == t and torch.equal(outputs, true[j, s][1]))
            assert owners.setdefault(i, owner) == owner
    assert all(i != owner for i, owner in owners.items())
    assert Counter(owners.values()) == dict.fromkeys({i for i, _ in true}, 1)


def test_increments_are_those_of_the_partner(folder):
    true = states_of(opened(folder).train_dataloader())
    of_outputs = states_of(opened(folder, shuffle_pairs="outputs").train_dataloader())
    shuffled = states_of(opened(folder, shuffle_pairs="increments").train_dataloader())
    for (i, t), (inputs, outputs) in shuffled.items():
        (j,) = (j for j, s in true if s == t and torch.equal(of_outputs[i, t][1], true[j, s][1]))
        moved = true[j, t][1] - true[j, t][0][-2:]  # forcing, u and v before, u and v
        torch.testing.assert_close(outputs - inputs[-2:], moved, rtol=0, atol=1e-6)


def test_a_mixture_shuffles_each_set_within_itself(folder, datasets):
    sets = (datasets["poisson_1_5"], datasets["helmholtz_1_10"])
    options = {"num_train_samples": None, "weights": [3, 1], "samples_per_epoch": 160}
    true, shuffled = (
        list(opened(*sets, **options, shuffle_pairs=pairs).train_dataloader())
        for pairs in (None, "increments")
    )
    for d in (0, 1):
        first, second = (
            torch.cat([batch.outputs[batch.dataset == d] for batch in batches])
            for batches in (true, shuffled)
        )
        assert not (first == second).flatten(1).all(1).any()
        sums = (np.sort(outputs.double().flatten(1).sum(1)) for outputs in (first, second))
        np.testing.assert_array_equal(*sums)  # each solution as often as before
    for one, other in zip(true, shuffled, strict=True):
        assert torch.equal(one.inputs, other.inputs)
        assert torch.equal(one.coefficients, other.coefficients)


def test_ranks_and_resumed_epochs_have_the_pairs_of_one_process(folder):
    options = {"shuffle_pairs": "increments", "seed": 3}
    whole = list(opened(folder, **options).train_dataloader())
    loader = opened(folder, **options).train_dataloader()
    share = ResumableLoader(loader.mixture, loader.order, rank=1, world_size=2)
    for batch, part in zip(whole, share, strict=True):
        assert torch.equal(part.outputs, batch.outputs[1::2])
    loader.load_state_dict(loader.state_dict() | {"epoch": 0, "next_batch": 1})
    for batch, again in zip(whole[1:], loader, strict=True):
        assert torch.equal(again.outputs, batch.outputs)


def test_evaluation_and_statistics_are_those_of_the_true_pairs(folder):
    true, shuffled = opened(folder), opened(folder, shuffle_pairs="increments")
    for one, other in zip(true.val_dataloader(), shuffled.val_dataloader(), strict=True):
        assert torch.equal(one.outputs, other.outputs)
    assert repr(true.train_statistics(with_increments=True)) == repr(
        shuffled.train_statistics(with_increments=True)
    )


def test_a_single_sample_has_no_partner(folder):
    with pytest.raises(InputError, match="needs at least 2, got 1 of uv; raise num_train_samples"):
        opened(folder, shuffle_pairs="outputs", num_train_samples=1)
