"""Windows of several strides: each once in an epoch, as on disk, with its own lead time."""

from collections import Counter

import numpy as np
import pytest
import torch
from evolution_sets import evolution_plan, write_evolution

from lightning_sciml.errors import InputError
from lightning_sciml.shards.reader import ShardedDataset
from lightning_sciml.streaming.datamodule import PDEDataModule
from lightning_sciml.streaming.loader import ResumableLoader
from lightning_sciml.streaming.windows import WindowOptions

STRIDES = [1, 2, 4]
TIMES = (0.0, 0.1, 0.25, 0.5, 1.0, 1.5, 2.5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Eleven trajectories of u and v at seven times, in shards of four."""
    root = tmp_path_factory.mktemp("strides")
    write_evolution(root / "uv", evolution_plan(name="uv", times=TIMES))
    return root / "uv"


def opened(folder, *more, **options) -> PDEDataModule:
    data = PDEDataModule(
        [str(folder), *map(str, more)], **{"batch_size": 8, "stride": STRIDES, **options}
    )
    data.setup("fit")
    return data


def found_in(batches, folder, history=1, num_steps=1) -> Counter:
    """Count the windows (trajectory, last input time, stride) whose states the batches hold."""
    stored = ShardedDataset(folder, "train")[:]
    states, found = np.stack([stored["u"], stored["v"]], axis=2), Counter()
    for batch in batches:
        places = zip(batch.sample_index.tolist(), batch.time_index.tolist(), strict=True)
        for row, (i, t) in enumerate(places):
            own = torch.cat([batch.inputs[row, 1:], batch.outputs[row].flatten(0, 1)]).numpy()
            for stride in STRIDES:
                steps = t + stride * np.arange(1 - history, num_steps + 1)
                if steps.min() < 0 or steps.max() >= len(TIMES):
                    continue
                if np.array_equal(states[i, steps].reshape(own.shape), own):
                    lead_time = np.float32(TIMES[t + stride] - TIMES[t])
                    assert batch.lead_time[row] == lead_time
                    found[i, t, stride] += 1
    return found


@pytest.mark.parametrize("cache", ["none", "memory"])
@pytest.mark.parametrize(("history", "num_steps"), [(1, 1), (2, 1)])
def test_an_epoch_has_every_window_of_every_stride_once(folder, cache, history, num_steps):
    options = {"history": history, "num_unrolled_steps": num_steps, "cache": cache}
    strides = STRIDES if history == 1 else STRIDES[:2]
    data = opened(folder, stride=strides, **options)
    epoch = list(data.train_dataloader())
    span = history + num_steps - 1
    wanted = {
        (i, start + (history - 1) * stride, stride)
        for i in range(11)
        for stride in strides
        for start in range(len(TIMES) - span * stride)
    }
    assert found_in(epoch, folder, history, num_steps) == dict.fromkeys(wanted, 1)
    assert data.train_plan.num_samples == len(wanted)
    assert any(len(set(batch.lead_time.tolist())) > 1 for batch in epoch)


def test_drawn_windows_of_a_trajectory_differ_over_all_strides(folder):
    epoch = list(opened(folder, window_starts=5).train_dataloader())
    found = found_in(epoch, folder)
    assert set(found.values()) == {1}
    assert Counter(i for i, _, _ in found) == dict.fromkeys(range(11), 5)
    assert {stride for _, _, stride in found} == set(STRIDES)


def test_one_stride_draws_what_it_drew_before_there_were_several():
    windows = WindowOptions(window_starts=3).of(8, name="heat")
    numbers = np.arange(6)
    starts, strides = windows.draw(numbers // 3, numbers % 3, np.zeros(6, np.int64))
    assert (starts.tolist(), set(strides)) == ([5, 3, 4, 4, 6, 5], {1})


@pytest.mark.parametrize("rank", [0, 1])
def test_ranks_and_resumed_epochs_have_the_windows_of_one_process(folder, rank):
    loader = opened(folder, window_starts=5).train_dataloader()
    share = iter(ResumableLoader(loader.mixture, loader.order, rank=rank, world_size=2))
    for whole, part in zip(loader, share, strict=True):
        torch.testing.assert_close(part.outputs, whole.outputs[rank::2], rtol=0, atol=0)
        assert torch.equal(part.lead_time, whole.lead_time[rank::2])
    state = loader.state_dict() | {"epoch": 0, "next_batch": 3}
    resumed = opened(folder, window_starts=5).train_dataloader()
    resumed.load_state_dict(state)
    again = list(opened(folder, window_starts=5).train_dataloader())[3:]
    for one, other in zip(resumed, again, strict=True):
        assert all(map(torch.equal, one[:-1], other[:-1]))


def test_validation_test_and_rollouts_take_the_first_stride(folder):
    data = opened(folder, stride=[2, 1])
    (member,) = data.mixtures["val"].members
    assert member.windows.strides == (2,)
    data.rollout = "all"
    data.setup("test")
    (member,) = data.mixtures["test"].members
    assert (member.windows.strides, member.windows.num_steps) == ((2,), 3)


def test_the_scale_of_the_lead_time_is_its_median_over_the_windows(folder, datasets):
    data = opened(folder, datasets["poisson_1_5"], num_train_samples=6)
    epoch = [batch for batch in data.train_dataloader() if batch.inputs.shape[2:] == (8, 12)]
    median = np.median(torch.cat([batch.lead_time for batch in epoch]))
    assert data.train_statistics().coefficients["lead_time"] == pytest.approx(median, rel=1e-6)
    steady = [b.lead_time for b in data.train_dataloader() if b.inputs.shape[2:] != (8, 12)]
    assert not torch.cat(steady).any()


def test_increments_are_over_the_windows_of_all_strides(folder):
    data = opened(folder)
    stored = ShardedDataset(folder, "train")[:]["u"].astype(float)
    changes = [(stored[:, s:] - stored[:, :-s]).ravel() for s in STRIDES]
    wanted = np.sqrt(np.square(np.concatenate(changes)).mean())
    measured = data.train_statistics(with_increments=True).increments["u"]
    assert measured == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize(
    ("strides", "message"),
    [
        ([1, 7], r"at stride=7 take 8 stored times, .* have 7; stride up to 6 fits"),
        ([1, 1], r"stride must name each entry once, got \[1, 1\]"),
        ([1, 0], r"stride must be at least 1, got 0"),
        ([], r"stride must be at least one number, got none"),
    ],
)
def test_strides_that_do_not_fit_are_rejected_in_one_line(folder, strides, message):
    with pytest.raises(InputError, match=message):
        opened(folder, stride=strides)


def test_a_coefficient_of_the_data_is_not_called_lead_time(tmp_path):
    plan = evolution_plan(name="own", coefficient_names=("lead_time",))
    write_evolution(tmp_path / "own", plan)
    with pytest.raises(InputError, match=r"own has a coefficient lead_time, .*another name"):
        opened(tmp_path / "own", stride=1)
