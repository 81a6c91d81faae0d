"""Mixtures keep their proportions exactly and go round every member."""

import math
from collections import Counter

import numpy as np
import pytest
import torch

from lightning_sciml.errors import InputError
from lightning_sciml.streaming.datamodule import PDEDataModule
from lightning_sciml.streaming.mixture import joined


def weighted(datasets, **kwargs) -> PDEDataModule:
    directories = [str(datasets[n]) for n in ("poisson_1_5", "helmholtz_1_10")]
    data = PDEDataModule(directories, batch_size=8, **kwargs)
    data.setup("fit")
    return data


def test_every_epoch_has_the_weights_and_epochs_go_round_the_members(datasets):
    loader = weighted(datasets, weights=[3, 1], samples_per_epoch=80).train_dataloader()
    seen: Counter[tuple[int, int]] = Counter()
    for _ in range(2):
        epoch = [
            pair
            for b in loader
            for pair in zip(b.dataset.tolist(), b.sample_index.tolist(), strict=True)
        ]
        assert Counter(d for d, _ in epoch) == {0: 60, 1: 20}
        seen.update(epoch)
    # 2·60 draws of 40 samples are three rounds; 2·20 of 40 are one.
    assert {seen[0, i] for i in range(40)} == {3}
    assert {seen[1, i] for i in range(40)} == {1}


def test_an_epoch_of_fewer_samples_is_shared_by_size(datasets):
    data = PDEDataModule(
        [str(datasets[n]) for n in ("poisson_1_5", "poisson_5_10")],
        num_train_samples=20,
        samples_per_epoch=10,
    )
    data.setup("fit")
    (batch,) = data.train_dataloader()
    assert Counter(batch.dataset.tolist()) == {0: 5, 1: 5}


def test_validation_on_the_training_split_takes_the_samples_that_follow(datasets):
    def indices(loader):
        return [i for batch in loader for i in batch.sample_index.tolist()]

    directories = [str(datasets["poisson_1_5"])]
    whole = PDEDataModule(directories, num_train_samples=16, subset_seed=3)
    parts = PDEDataModule(
        directories, num_train_samples=12, num_val_samples=4, val_split="train", subset_seed=3
    )
    for data in (whole, parts):
        data.setup("fit")
    drawn, val = indices(parts.train_dataloader()), indices(parts.val_dataloader())
    assert (len(drawn), len(val)) == (12, 4)
    assert {*drawn} | {*val} == {*indices(whole.train_dataloader())}
    with pytest.raises(InputError, match="needs num_train_samples and num_val_samples"):
        PDEDataModule(directories, val_split="train")
    too_many = PDEDataModule(
        directories, num_train_samples=40, num_val_samples=1, val_split="train"
    )
    with pytest.raises(InputError, match="has 40 train samples, 41 were asked for"):
        too_many.setup("fit")


@pytest.mark.parametrize("cache", ["memory", "device"])
def test_cached_batches_are_those_on_disk(datasets, cache):
    options = {"weights": [3, 1], "samples_per_epoch": 80, "num_train_samples": 30}
    from_disk = weighted(datasets, **options).train_dataloader()
    cached = weighted(datasets, cache=cache, **options).train_dataloader()
    for one, other in zip(from_disk, cached, strict=True):
        assert all(map(torch.equal, one[:-1], other[:-1]))


def test_inputs_and_outputs_move_to_a_device_as_one_piece(datasets):
    batch = next(iter(weighted(datasets).train_dataloader()))
    fields = joined(batch.inputs, batch.outputs)
    assert torch.equal(fields, torch.cat([batch.inputs, batch.outputs[:, 0]], dim=1))
    assert fields.data_ptr() == batch.inputs.data_ptr()
    assert fields.is_contiguous()
    apart = batch._replace(outputs=batch.outputs.clone())
    assert joined(apart.inputs, apart.outputs) is None
    for one in (batch, apart):
        assert all(map(torch.equal, one.to(torch.device("cpu"))[:-1], batch[:-1]))
        on_meta = one.to(torch.device("meta"))
        assert on_meta.inputs.shape == batch.inputs.shape
        assert all(tensor.device.type == "meta" for tensor in on_meta[:-1])


@pytest.mark.parametrize(
    "weights", [[1.0], [1.0, 0.0], [1.0, -2.0], [1.0, 2.0, 3.0], [1.0, math.nan], [math.inf, 1.0]]
)
def test_invalid_weights_are_rejected(datasets, weights):
    with pytest.raises(InputError, match="one positive number a data set"):
        weighted(datasets, weights=weights)


def test_a_batch_is_of_one_grid(datasets, generate, tmp_path):
    generate("poisson_5_10", tmp_path / "fine", num_points=48)
    folders = [datasets["poisson_1_5"], tmp_path / "fine", datasets["helmholtz_1_10"]]
    data = PDEDataModule([str(folder) for folder in folders], batch_size=8)
    data.setup("fit")
    loader, seen, shapes = data.train_dataloader(), Counter(), []
    for batch in loader:
        coarse = batch.inputs.shape[-1] == 32
        assert {*batch.dataset.tolist()} <= ({0, 2} if coarse else {1})
        seen.update(zip(batch.dataset.tolist(), batch.sample_index.tolist(), strict=True))
        shapes.append(batch.inputs.shape[-1])
    assert seen == Counter((d, i) for d in range(3) for i in range(40))
    assert len(loader) == data.train_plan.num_batches == len(shapes) == 15
    assert shapes != sorted(shapes)  # the batches of both grids take turns
    in_order = [batch.inputs.shape[-1] for batch in data.val_dataloader()]
    assert in_order == [32] * 4 + [48] * 2  # 2·13 coarse samples, then 13 fine ones
    mixture = data.mixtures["train"]
    with pytest.raises(InputError, match=r"one grid .*got \(\(48, 48\), 1\) and \(\(32, 32\), 1\)"):
        mixture.load(np.array([0, 100]), global_size=2)


def test_samples_drawn_together_are_those_drawn_alone(datasets, generate, tmp_path):
    generate("poisson_5_10", tmp_path / "fine", num_points=48)
    folders = [datasets["poisson_1_5"], tmp_path / "fine", datasets["helmholtz_1_10"]]
    data = PDEDataModule([str(folder) for folder in folders], num_train_samples=30)
    data.setup("fit")
    mixture = data.mixtures["train"]
    indices = np.random.default_rng(0).permutation(len(mixture))
    together = mixture.draw(indices, epoch=1)
    for begin in range(0, len(indices), 7):
        rows = slice(begin, begin + 7)
        alone, part = mixture.draw(indices[rows], epoch=1), together.at(rows)
        for one, other in zip(
            (*alone.drawn, *alone.places, *alone[3:], alone.dataset),
            (*part.drawn, *part.places, *part[3:], part.dataset),
            strict=True,
        ):
            np.testing.assert_array_equal(one, other)


def test_replay_adds_its_share_to_training_and_nothing_to_validation(datasets):
    directories = [str(datasets[n]) for n in ("poisson_1_5", "helmholtz_1_10")]
    data = PDEDataModule(
        directories[:1],
        batch_size=8,
        num_train_samples=6,
        replay=directories[1:],
        replay_share=0.75,
    )
    data.setup("fit")
    loader = data.train_dataloader()
    replayed: Counter[int] = Counter()
    for _ in range(20):
        batches = list(loader)
        dataset = np.concatenate([b.dataset.numpy() for b in batches])
        samples = np.concatenate([b.sample_index.numpy() for b in batches])
        assert (len(dataset), (dataset == 0).sum()) == (24, 6)
        assert len({*samples[dataset == 0].tolist()}) == 6
        replayed.update(samples[dataset == 1].tolist())
    assert replayed == Counter(dict.fromkeys(range(40), 9))  # 20·18 draws of all 40 are nine rounds
    assert [m.name for m in data.mixtures["val"].members] == ["poisson_1_5"]
    # Validation has the channels of training, those of Helmholtz empty.
    validated = next(iter(data.val_dataloader())).coefficients
    assert data.coefficient_names[3:] == data.mixtures["val"].coefficient_names[3:] == ("omega",)
    assert torch.all(validated[:, 3:] == 0)
    assert torch.all(validated[:, :2] > 0)


@pytest.mark.parametrize("share", [1.0, -0.5])
def test_invalid_shares_of_replay_are_rejected(datasets, share):
    with pytest.raises(InputError, match="replay_share must be at least 0 and below 1"):
        weighted(datasets, replay_share=share)
