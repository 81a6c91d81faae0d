"""A checkpoint is the old one or the new one, whenever the writer is killed."""

import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from lightning_sciml.training.checkpointing import WholeFileCheckpointIO

WRITER = """
import sys, torch
from lightning_sciml.training.checkpointing import WholeFileCheckpointIO
for n in range(1, 10_000):
    checkpoint = {"n": n, "weights": torch.full((500_000,), n)}
    WholeFileCheckpointIO().save_checkpoint(checkpoint, sys.argv[1])
    print(n, flush=True)
"""


def test_a_writer_killed_at_any_moment_leaves_a_whole_checkpoint(tmp_path):
    path = tmp_path / "last.ckpt"
    for delay_ms in (0, 2, 4):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        for _ in range(3):
            writer.stdout.readline()
        time.sleep(delay_ms / 1000)
        os.kill(writer.pid, signal.SIGKILL)
        writer.communicate()
        checkpoint = torch.load(path, weights_only=True)
        assert torch.all(checkpoint["weights"] == checkpoint["n"])


def test_a_failed_write_leaves_the_old_checkpoint_and_no_debris(tmp_path):
    path = tmp_path / "last.ckpt"
    WholeFileCheckpointIO().save_checkpoint({"n": 1}, path)
    with pytest.raises(Exception, match=r"(?i)pickle"):
        WholeFileCheckpointIO().save_checkpoint({"n": lambda: None}, path)
    assert torch.load(path, weights_only=True) == {"n": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["last.ckpt"]
