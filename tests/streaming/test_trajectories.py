"""Batches of windows are what lies on disk, in an order that nothing but seed and epoch decides."""

from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from evolution_sets import evolution_plan, write_evolution

from lightning_sciml.errors import InputError
from lightning_sciml.pde.grid import Grid
from lightning_sciml.shards.reader import ShardedDataset
from lightning_sciml.streaming import measured_windows
from lightning_sciml.streaming.datamodule import PDEDataModule
from lightning_sciml.streaming.loader import ResumableLoader
from lightning_sciml.streaming.mixture import Batch, joined


@pytest.fixture(scope="module")
def sets(tmp_path_factory, datasets) -> dict[str, Path]:
    """Trajectories of u and v on 8×12 points and on 32², of v and w on 8×12; Poisson on 32²."""
    root = tmp_path_factory.mktemp("sets")
    plans = {
        "uv": evolution_plan(name="uv"),
        "vw": evolution_plan(
            name="vw", input_fields=(), state_fields=("v", "w"), times=(0.0, 1.0, 2.0, 3.0)
        ),
        "square": evolution_plan(name="square", grid=Grid(shape=(32, 32))),
    }
    for seed, (name, plan) in enumerate(plans.items()):
        write_evolution(root / name, plan, seed)
    return {**{name: root / name for name in plans}, "poisson": datasets["poisson_1_5"]}


@pytest.fixture
def open_data(sets):
    def opened(*names: str, **options) -> PDEDataModule:
        options = {"batch_size": 8, **options}
        if "replay" in options:
            options["replay"] = [str(sets[name]) for name in options["replay"]]
        data = PDEDataModule([str(sets[name]) for name in names], **options)
        data.setup("fit")
        return data

    return opened


def windows(batches) -> list[tuple[int, int, int]]:
    """(data set, trajectory, time) of all samples, in the order they came."""
    return [
        one
        for b in batches
        for one in zip(
            b.dataset.tolist(), b.sample_index.tolist(), b.time_index.tolist(), strict=True
        )
    ]


@pytest.mark.parametrize("cache", ["none", "memory", "device"])
@pytest.mark.parametrize(("history", "num_steps", "stride"), [(1, 1, 1), (2, 2, 1), (2, 1, 2)])
def test_a_window_is_what_lies_on_disk(open_data, sets, cache, history, num_steps, stride):
    data = open_data(
        "uv", history=history, num_unrolled_steps=num_steps, stride=stride, cache=cache
    )
    lags = [f"@-{lag}" if lag else "" for lag in reversed(range(history))]
    assert data.input_fields == ("forcing", *(f + lag for lag in lags for f in ("u", "v")))
    assert data.output_fields == ("u", "v")
    stored = ShardedDataset(sets["uv"], "train")[:]
    states = np.stack([stored["u"], stored["v"]], axis=2)
    batches = list(data.train_dataloader())
    for batch in batches:
        for row, (_, i, t) in enumerate(windows([batch])):
            past = states[i, t - (history - 1) * stride : t + 1 : stride]
            wanted = [stored["forcing"][i][None], past.reshape(-1, 8, 12)]
            np.testing.assert_array_equal(batch.inputs[row], np.concatenate(wanted))
            future = states[i, t + stride : t + num_steps * stride + 1 : stride]
            np.testing.assert_array_equal(batch.outputs[row], future)
            assert batch.coefficients[row] == np.float32(stored["nu"][i])
        assert joined(batch.inputs, batch.outputs).is_contiguous()
    first, last = (history - 1) * stride, 4 - num_steps * stride
    times = range(first, last + 1)
    assert sorted(windows(batches)) == [(0, i, t) for i in range(11) for t in times]


def test_fields_are_matched_by_name_and_absent_ones_zero(open_data, sets):
    data = open_data("uv", "vw", history=2)
    assert data.input_fields == ("forcing", "u@-1", "v@-1", "u", "v", "w@-1", "w")
    assert data.output_fields == ("u", "v", "w")
    uv, vw = data.mixtures["train"].members
    assert (uv.input_channels, uv.output_channels) == ((0, 1, 2, 3, 4), (0, 1))
    assert (vw.input_channels, vw.output_channels) == ((2, 5, 4, 6), (1, 2))
    stored = ShardedDataset(sets["vw"], "train")[:]
    for batch in data.train_dataloader():
        for row, (d, i, t) in enumerate(windows([batch])):
            if d == 1:
                v, w = stored["v"][i], stored["w"][i]
                inputs = [v[t - 1], w[t - 1], v[t], w[t]]
                np.testing.assert_array_equal(batch.inputs[row, [2, 5, 4, 6]], inputs)
                assert not batch.inputs[row, [0, 1, 3]].any()
                np.testing.assert_array_equal(batch.outputs[row, 0, 1:], [v[t + 1], w[t + 1]])
                assert not batch.outputs[row, 0, 0].any()
            else:
                assert not batch.inputs[row, 5:].any()
                assert not batch.outputs[row, :, 2].any()


def test_steady_samples_have_one_step_and_batches_one_grid(open_data):
    """Poisson shares its grid with `square`, and its batches where they predict one step."""
    data = open_data("uv", "poisson", "square", num_unrolled_steps=2)
    kinds = Counter((tuple(b.outputs.shape[1:]), *set(b.dataset.tolist())) for b in _epoch(data))
    F = len(data.output_fields)
    assert kinds == {((2, F, 8, 12), 0): 5, ((1, F, 32, 32), 1): 5, ((2, F, 32, 32), 2): 5}
    assert data.train_plan.num_batches == 15
    together = open_data("uv", "poisson", "square")
    kinds = Counter(tuple(batch.outputs.shape[1:]) for batch in _epoch(together))
    assert kinds == {(1, F, 8, 12): 6, (1, F, 32, 32): 11}
    assert any({1, 2} <= set(batch.dataset.tolist()) for batch in _epoch(together))


def _epoch(data: PDEDataModule) -> list[Batch]:
    return list(data.train_dataloader())


@pytest.mark.parametrize("cache", ["memory", "device"])
def test_cached_batches_are_those_on_disk(open_data, cache):
    options = {"history": 2, "num_train_samples": 7, "window_starts": 2}
    names = ("uv", "vw", "poisson")
    pairs = zip(
        _epoch(open_data(*names, **options)),
        _epoch(open_data(*names, cache=cache, **options)),
        strict=True,
    )
    for one, other in pairs:
        assert all(map(torch.equal, one[:-1], other[:-1]))


def test_subsets_are_nested_and_count_trajectories(open_data):
    few, more = (
        {i for _, i, _ in windows(_epoch(open_data("uv", num_train_samples=n)))} for n in (3, 7)
    )
    assert (len(few), len(more)) == (3, 7)
    assert few < more
    data = open_data("uv", num_val_samples=2, history=2)
    assert sorted(windows(data.val_dataloader())) == [(0, i, t) for i in (0, 1) for t in (1, 2, 3)]


def test_chosen_start_times_change_with_the_epoch_in_training_alone(open_data):
    data = open_data("uv", window_starts=2)
    assert (data.train_plan.num_samples, data.train_plan.num_batches) == (22, 3)
    loader = data.train_dataloader()
    epochs = [sorted(windows(loader)) for _ in range(3)]
    for epoch in epochs:
        assert len({*epoch}) == 22
        assert Counter(i for _, i, _ in epoch) == Counter(dict.fromkeys(range(11), 2))
    assert epochs[0] != epochs[1] != epochs[2]
    again = open_data("uv", window_starts=2).train_dataloader()
    assert sorted(windows(again)) == epochs[0]
    few = windows(open_data("uv", window_starts=2, num_train_samples=4).train_dataloader())
    assert {*few} < {*epochs[0]}
    validation = data.val_dataloader()
    assert windows(validation) == windows(validation)
    assert len(windows(validation)) == 6


def test_epochs_of_fewer_windows_go_round_all_of_them(open_data):
    """In four epochs 3·44 windows of 44, and 44 of 33."""
    data = open_data("uv", "vw", weights=[3, 1], samples_per_epoch=44)
    loader = data.train_dataloader()
    epochs = [windows(loader) for _ in range(4)]
    for epoch in epochs:
        assert Counter(d for d, _, _ in epoch) == {0: 33, 1: 11}
        assert len({t for d, _, t in epoch if d == 0}) == 4  # not the first start times alone
    seen = Counter(one for epoch in epochs for one in epoch)
    assert {seen[0, i, t] for i in range(11) for t in range(4)} == {3}
    assert {seen[1, i, t] for i in range(11) for t in range(3)} == {1, 2}


MIXED = ("uv", "poisson", "vw")
OPTIONS = {"history": 2, "window_starts": 2, "num_train_samples": 9}


@pytest.mark.parametrize("world_size", [2, 3])
def test_ranks_share_the_batches_of_a_single_process(open_data, world_size):
    data = open_data(*MIXED, **OPTIONS)
    loader = data.train_dataloader()
    shares = [
        list(ResumableLoader(loader.mixture, loader.order, rank=rank, world_size=world_size))
        for rank in range(world_size)
    ]
    for whole, parts in zip(loader, zip(*shares, strict=True), strict=True):
        assert sorted(windows(parts)) == sorted(windows([whole]))
        assert {part.global_size for part in parts} == {len(whole.dataset)}
        assert {part.outputs.shape[1:] for part in parts} == {whole.outputs.shape[1:]}
    few = data.val_dataloader()  # of 3 trajectories, 13 samples, 3 trajectories
    last = ResumableLoader(few.mixture, few.order, rank=7, world_size=8)
    empty = [batch for batch in last if not len(batch.dataset)]
    assert {tuple(batch.inputs.shape[2:]) for batch in empty} == {(8, 12), (32, 32)}


@pytest.mark.parametrize("num_taken", [0, 1, 4, 6])
def test_resuming_anywhere_gives_the_undisturbed_order(open_data, num_taken):
    undisturbed = open_data(*MIXED, **OPTIONS).train_dataloader()
    expected = windows([*undisturbed, *undisturbed])
    stopped = open_data(*MIXED, **OPTIONS).train_dataloader()
    batches = iter(stopped)
    taken = windows(islice(batches, num_taken))
    state = stopped.state_dict()
    batches.close()
    resumed = open_data(*MIXED, **OPTIONS).train_dataloader()
    resumed.load_state_dict(state)
    assert [*taken, *windows([*resumed, *resumed])] == expected


def test_a_state_of_other_groups_is_rejected_in_mid_epoch(open_data):
    loader = open_data("uv", "poisson").train_dataloader()
    next(batches := iter(loader))
    state = loader.state_dict()
    batches.close()
    other = open_data("poisson", "uv").train_dataloader()
    with pytest.raises(InputError, match=r"num_samples': \[44, 40\].*num_samples': \[40, 44\]"):
        other.load_state_dict(state)


def test_steady_sets_are_replayed_beside_trajectories(open_data):
    data = open_data("uv", replay=["poisson"], replay_share=0.25)
    replayed = Counter(d for d, _, _ in windows(_epoch(data)))
    assert replayed == {0: 44, 1: 15}
    assert data.train_plan.num_batches == 6 + 2
    assert data.mixtures["val"].output_fields == ("u", "v", "solution")
    assert not next(iter(data.val_dataloader())).outputs[:, :, 2].any()


def test_statistics_are_over_all_values_of_the_chosen_trajectories(open_data, sets):
    data = open_data("uv", "square", num_train_samples=6)
    statistics = data.train_statistics()
    chosen = [
        ShardedDataset(sets[name], "train")[member.subset(np.arange(6))]
        for name, member in zip(("uv", "square"), data.mixtures["train"].members, strict=True)
    ]
    for name in ("forcing", "u", "v"):
        values = np.concatenate([of_set[name].astype(float).ravel() for of_set in chosen])
        norms = [np.sqrt(np.square(f.astype(float)).mean()) for s in chosen for f in s[name]]
        assert statistics.field_means[name] == pytest.approx(values.mean(), rel=1e-9)
        assert statistics.field_stds[name] == pytest.approx(values.std(), rel=1e-9)
        assert statistics.field_norms[name] == pytest.approx(np.median(norms), rel=1e-9)


@pytest.mark.parametrize(
    ("num_measured", "options"),
    [
        (1024, {"history": 2, "window_starts": 2}),
        (5, {"history": 1, "num_unrolled_steps": 2, "stride": 2}),
    ],
)
def test_increments_are_over_the_windows_of_the_chosen_trajectories(
    open_data, sets, monkeypatch, num_measured, options
):
    """Measure all steps of all windows, or a number of them, evenly spread."""
    monkeypatch.setattr(measured_windows, "NUM_MEASURED", num_measured)
    data = open_data("uv", "poisson", num_train_samples=6, **options)
    samples = data.mixtures["train"].members[0].subset(np.arange(6))
    chosen, stride = ShardedDataset(sets["uv"], "train")[samples], options.get("stride", 1)
    assert data.train_statistics().increments == {}
    measured = data.train_statistics(with_increments=True).increments
    assert set(measured) == {"u", "v"}
    for name in measured:
        states = chosen[name].astype(float)[:, options["history"] - 1 :]
        changes = (states[:, stride:] - states[:, :-stride]).reshape(-1, *states.shape[2:])
        if num_measured < len(changes):
            changes = changes[np.arange(num_measured) * len(changes) // num_measured]
        assert measured[name] == pytest.approx(np.sqrt(np.square(changes).mean()), rel=1e-9)


def test_each_grid_has_a_sample_for_each_process(open_data, monkeypatch):
    data = open_data("uv", "poisson", num_train_samples=2)
    monkeypatch.setattr(PDEDataModule, "_world_size", 4)
    with pytest.raises(InputError, match=r"got 2 samples of 32×32 points over 4 processes"):
        data.train_dataloader()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"history": 3, "num_unrolled_steps": 3},
            r"history=3 and num_unrolled_steps=3 at stride=1 take 6 stored times, the trajectories "
            r"of uv have 5; history \+ num_unrolled_steps up to 5 at stride=1 fits",
        ),
        ({"stride": 5}, r"take 6 stored times, .* stride up to 4 fits"),
        ({"window_starts": 5}, r"window_starts=5 asks for more start times than the 4 of each"),
        ({"num_train_samples": 12}, r"has 11 train trajectories, 12 were asked for"),
        ({"history": 0}, r"history must be at least 1, got 0"),
    ],
)
def test_windows_that_do_not_exist_are_rejected_in_one_line(open_data, options, message):
    with pytest.raises(InputError, match=message):
        open_data("uv", **options)
