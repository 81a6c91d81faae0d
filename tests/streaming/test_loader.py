"""Loaders hand out every sample once over any number of ranks, and resume where they stopped."""

from itertools import islice

import numpy as np
import pytest
import torch

from lightning_sciml.errors import InputError
from lightning_sciml.shards.reader import ShardedDataset
from lightning_sciml.streaming.datamodule import PDEDataModule
from lightning_sciml.streaming.loader import ResumableLoader


def data_module(directories, **kwargs) -> PDEDataModule:
    data = PDEDataModule([str(d) for d in directories], **{"batch_size": 8, **kwargs})
    data.setup("fit")
    return data


def samples(batches) -> list[tuple[int, int]]:
    """(data set, index) of all samples, in the order they came."""
    return [
        pair
        for b in batches
        for pair in zip(b.dataset.tolist(), b.sample_index.tolist(), strict=True)
    ]


def of_rank(loader: ResumableLoader, rank: int, world_size: int) -> ResumableLoader:
    return ResumableLoader(loader.mixture, loader.order, rank=rank, world_size=world_size)


def test_a_batch_holds_what_is_on_disk(datasets):
    loader = data_module([datasets["poisson_1_5"]]).train_dataloader()
    dataset = ShardedDataset(datasets["poisson_1_5"], "train")
    batch = next(iter(loader))
    fields = dataset.fields(batch.sample_index.numpy())
    np.testing.assert_array_equal(batch.inputs[:, 0], fields[:, 0])
    np.testing.assert_array_equal(batch.outputs[:, 0, 0], fields[:, 1])
    coefficients = dataset.coefficients(batch.sample_index.numpy())
    np.testing.assert_array_equal(batch.coefficients, coefficients.astype(np.float32))


def test_a_mixture_matches_channels_by_name_and_fills_with_zeros(datasets):
    names = ["poisson_1_5", "advection_diffusion_0p2_1", "helmholtz_1_10"]
    data = data_module([datasets[n] for n in names])
    assert data.coefficient_names == ("k11", "k22", "k12", "v1", "v2", "omega")
    present = {0: [0, 1, 2], 1: [0, 1, 2, 3, 4], 2: [5]}
    seen = []
    for batch in data.train_dataloader():
        seen += samples([batch])
        for d, coefficients in zip(batch.dataset.tolist(), batch.coefficients, strict=True):
            absent = [c for c in range(6) if c not in present[d]]
            assert torch.all(coefficients[absent] == 0)
            assert torch.all(coefficients[present[d]] != 0)
    assert sorted(seen) == [(d, i) for d in range(3) for i in range(40)]


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_ranks_share_every_batch_without_loss_or_repetition(datasets, world_size):
    loader = data_module([datasets["poisson_1_5"]], num_train_samples=37).train_dataloader()
    alone = [samples([b]) for b in loader]
    shares = [list(of_rank(loader, rank, world_size)) for rank in range(world_size)]
    assert {len(share) for share in shares} == {len(loader)}
    for whole, parts in zip(alone, zip(*shares, strict=True), strict=True):
        assert sorted(samples(parts)) == sorted(whole)
        assert {b.global_size for b in parts} == {len(whole)}
        sizes = [len(b.inputs) for b in parts]
        assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("num_taken", [0, 1, 3, 5, 7])
def test_resuming_anywhere_gives_the_undisturbed_order(datasets, num_taken):
    directories = [datasets["poisson_1_5"], datasets["poisson_5_10"]]
    undisturbed = data_module(directories).train_dataloader()
    expected = samples([*undisturbed, *undisturbed])

    stopped = data_module(directories).train_dataloader()
    batches = iter(stopped)
    taken = samples(islice(batches, num_taken))
    state = stopped.state_dict()  # the thread has read ahead; the trainer has not had those
    batches.close()
    resumed = data_module(directories).train_dataloader()
    resumed.load_state_dict(state)
    assert [*taken, *samples([*resumed, *resumed])] == expected


def test_the_end_of_an_epoch_resumes_at_the_next_one(datasets):
    loader = data_module([datasets["poisson_1_5"]]).train_dataloader()
    list(loader)
    resumed = data_module([datasets["poisson_1_5"]]).train_dataloader()
    resumed.load_state_dict(loader.state_dict())
    assert samples(resumed) == samples(loader)


def test_an_iteration_given_up_early_is_an_epoch_all_the_same(datasets):
    def epochs(*, num_taken: int) -> list[list[tuple[int, int]]]:
        loader = data_module([datasets["poisson_1_5"]]).train_dataloader()
        return [samples(islice(iter(loader), num_taken)) for _ in range(3)]

    cut, whole = epochs(num_taken=2), epochs(num_taken=5)
    assert cut == [epoch[:16] for epoch in whole]
    validation = data_module([datasets["poisson_1_5"]], batch_size=2).val_dataloader()
    assert len(validation) > 2
    first, second = (samples(islice(iter(validation), 2)) for _ in range(2))
    assert first == second


def test_a_state_serves_another_number_of_ranks(datasets):
    loader = data_module([datasets["poisson_1_5"]]).train_dataloader()
    expected = samples(loader)
    stopped = of_rank(loader, 0, 1)
    taken = samples(islice(iter(stopped), 2))
    ranks = [of_rank(loader, rank, 2) for rank in range(2)]
    for rank in ranks:
        rank.load_state_dict(stopped.state_dict())
    rest = [samples(parts) for parts in zip(*ranks, strict=True)]
    assert sorted(taken + [s for batch in rest for s in batch]) == sorted(expected)
    assert all(
        sorted(b) == sorted(expected[i : i + 8]) for b, i in zip(rest, (16, 24, 32), strict=True)
    )


def test_a_state_of_other_data_is_rejected_in_mid_epoch(datasets):
    loader = data_module([datasets["poisson_1_5"]]).train_dataloader()
    next(batches := iter(loader))
    state = loader.state_dict()
    batches.close()
    other = data_module([datasets["poisson_1_5"]], batch_size=4).train_dataloader()
    with pytest.raises(InputError, match=r"batch_size.*8.*batch_size.*4"):
        other.load_state_dict(state)


def test_few_samples_shrink_the_batch(datasets):
    loader = data_module([datasets["poisson_1_5"]], batch_size=128, num_train_samples=5)
    assert [len(b.inputs) for b in loader.train_dataloader()] == [5]


def test_statistics_are_those_of_the_chosen_samples(datasets):
    data = data_module([datasets["poisson_1_5"]], num_train_samples=9)
    statistics = data.train_statistics()
    (batch,) = data_module(
        [datasets["poisson_1_5"]], num_train_samples=9, batch_size=9
    ).train_dataloader()
    norms = batch.inputs.double().square().mean(dim=(1, 2, 3)).sqrt()
    assert statistics.field_norms["source"] == pytest.approx(np.median(norms), rel=1e-6)
    k11, k22, k12 = batch.coefficients.double().T
    for c, name in enumerate(("k11", "k22", "k12")):
        median = np.median(np.abs(batch.coefficients[:, c].numpy()))
        assert statistics.coefficients[name] == pytest.approx(median, rel=1e-6)
        scaled = batch.coefficients[:, c] / (k11 * k22 - k12**2).sqrt()
        median = np.median(np.abs(scaled.numpy()))
        assert statistics.scaled_coefficients[name] == pytest.approx(median, rel=1e-6)


def test_statistics_leave_out_what_is_replayed_but_for_what_nothing_else_has(datasets):
    few = data_module([datasets["poisson_1_5"]], num_train_samples=3).train_statistics()
    of_replayed = data_module([datasets["advection_diffusion_0p2_1"]]).train_statistics()
    mixed = data_module(
        [datasets["poisson_1_5"]],
        num_train_samples=3,
        replay=[str(datasets["advection_diffusion_0p2_1"])],
    ).train_statistics()
    assert mixed.field_norms == few.field_norms
    assert {**mixed.coefficients, **few.coefficients} == mixed.coefficients
    assert mixed.coefficients["v1"] == of_replayed.coefficients["v1"]


@pytest.mark.parametrize("subset_seed", [0, 1])
def test_some_validation_samples_are_the_first_whatever_the_draw(datasets, subset_seed):
    data = data_module([datasets["poisson_1_5"]], num_val_samples=5, subset_seed=subset_seed)
    assert samples(data.val_dataloader()) == [(0, i) for i in range(5)]


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"num_train_samples": 41}, r"has 40 train samples, 41 were asked for"),
        ({"num_val_samples": 14}, r"has 13 val samples, 14 were asked for"),
        ({"num_train_samples": 0}, r"num_train_samples must be at least 1, got 0"),
        ({"batch_size": 0}, r"batch_size must be at least 1, got 0"),
        ({"eval_batch_size": 0}, r"eval_batch_size must be at least 1, got 0"),
        ({"seed": -1}, r"seed must be at least 0, got -1"),
        ({"num_prefetch": -1}, r"num_prefetch must be at least 0, got -1"),
    ],
)
def test_invalid_data_options_are_rejected(datasets, kwargs, message):
    with pytest.raises(InputError, match=message):
        data_module([datasets["poisson_1_5"]], **kwargs)
