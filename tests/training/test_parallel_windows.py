"""Windows of several steps and grids: compiled and sharded training is plain training."""

import numpy as np
import pytest
import torch
from ranks import end_state, finish
from tiny_run import network, write_run

from lightning_sciml import write_dataset

STEPS = {"predicts": "increment", "input_noise": 0.05, "checkpoint_steps": True}
SPLIT = {"train": 16, "val": 3, "test": 1}
KINDS = [
    pytest.param({}, {"strategy": "fsdp"}, id="sharded"),
    pytest.param(
        {"compile": True},
        {"strategy": "fsdp"},
        id="compiled and sharded",
        marks=[
            pytest.mark.slow,
            pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated"),
            pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not"),
        ],
    ),
]


PUSHFORWARD = {"gradients": "last", "normalization": "standard"}


@pytest.fixture
def folders(tmp_path):
    rng = np.random.default_rng(0)
    for name, grid in (("flow", (8, 12)), ("square", (16, 16))):
        states = {field: rng.standard_normal((20, 6, *grid)) for field in ("u", "v")}
        write_dataset(tmp_path / name, states=states, split=SPLIT)
    return [tmp_path / "flow", tmp_path / "square"]


@pytest.mark.parametrize(("model", "trainer"), KINDS)
def test_training_on_windows_ends_where_plain_training_ends(folders, tmp_path, model, trainer):
    """Every step of a window runs the sharded blocks again before the first pass backwards."""
    fields = {"input_fields": ["u@-1", "v@-1", "u", "v", "y"], "output_fields": ["v", "u"]}
    for name, own, how in (("plain", {}, {}), ("other", model, trainer)):
        config = write_run(
            tmp_path / name,
            folders,
            model={"network": network([], **fields), "normalization": "standard", **STEPS, **own},
            data={"history": 2, "num_unrolled_steps": 3, "batch_size": 8, "eval_batch_size": 4},
            trainer={"devices": 2, "max_steps": 6, "max_epochs": -1, **how},
        )
        finish(config, 2)
    one, other = (end_state(tmp_path / name)["weights"] for name in ("plain", "other"))
    torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_two_processes_push_forward_as_one_does(folders, tmp_path):
    """Batches mix strides, and each process has its samples' own lead times."""
    fields = {"input_fields": ["u", "v"], "output_fields": ["u", "v"]}
    for world_size in (1, 2):
        config = write_run(
            tmp_path / f"of_{world_size}",
            folders,
            model={"network": network(["lead_time"], **fields), **PUSHFORWARD},
            data={"num_unrolled_steps": 2, "stride": [1, 2], "eval_batch_size": 4},
            trainer={"max_steps": 6, "max_epochs": -1},
        )
        finish(config, world_size)
    one, two = (end_state(tmp_path / f"of_{n}")["weights"] for n in (1, 2))
    torch.testing.assert_close(two, one, rtol=1e-4, atol=1e-4)  # of six steps of 1e-3
