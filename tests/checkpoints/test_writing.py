"""A checkpoint is the old one or the new one, whenever the writer is killed."""

import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch import LightningModule

from lightning_sciml.checkpoints import writing
from lightning_sciml.checkpoints.writing import (
    BestCheckpoint,
    LastCheckpoint,
    WholeFileCheckpointIO,
)
from lightning_sciml.errors import InputError

WRITER = """
import sys, torch
from lightning_sciml.checkpoints.writing import WholeFileCheckpointIO
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


@pytest.mark.parametrize(("saved", "now"), [(1, 2), (4, 2), (2, 2)])
def test_another_number_of_processes_is_told(tmp_path, caplog, saved, now):
    callback, module, checkpoint = LastCheckpoint(tmp_path), LightningModule(), {}
    callback.on_save_checkpoint(SimpleNamespace(world_size=saved), module, checkpoint)
    with caplog.at_level("INFO"):
        callback.on_load_checkpoint(SimpleNamespace(world_size=now), module, checkpoint)
    told = (
        f"resuming over {now} processes, so far there were {saved}: batches hold the same samples"
    )
    assert (told in caplog.text) == (saved != now)


def test_checkpoints_are_due_by_the_clock_and_by_steps(tmp_path, monkeypatch):
    """60 s are 40 steps."""

    def written(**options) -> list[int]:
        steps: list[int] = []
        monkeypatch.setattr(writing, "monotonic", lambda: 1.5 * trainer.global_step)
        trainer = SimpleNamespace(
            global_step=0,
            strategy=SimpleNamespace(broadcast=lambda decision: decision),
            save_checkpoint=lambda path: steps.append(trainer.global_step),
        )
        callback = LastCheckpoint(tmp_path, every_s=60.0, **options)
        for trainer.global_step in range(1, 200):
            callback.between_steps(trainer)
        return steps

    assert written() == [40, 80, 120, 160]
    assert written(every_n_steps=70) == [40, 70, 110, 140, 180]


def test_a_failed_write_leaves_the_old_checkpoint_and_no_debris(tmp_path):
    path = tmp_path / "last.ckpt"
    WholeFileCheckpointIO().save_checkpoint({"n": 1}, path)
    with pytest.raises(InputError, match=r"n would be part of a checkpoint and cannot be read"):
        WholeFileCheckpointIO().save_checkpoint({"n": lambda: None}, path)
    assert torch.load(path, weights_only=True) == {"n": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["last.ckpt"]


def test_the_best_score_moves_with_the_run_folder(tmp_path):
    """Lightning would forget it and take any later state for the best."""
    before, after = (BestCheckpoint(tmp_path / name) for name in ("before", "after"))
    score, path = torch.tensor(0.25), str(tmp_path / "before/best.ckpt")
    before.best_model_score = before.kth_value = score
    before.best_model_path = before.kth_best_model_path = path
    before.best_k_models = {path: score}
    after.load_state_dict(before.state_dict())
    here = str(tmp_path / "after/best.ckpt")
    assert (after.best_model_score, after.best_model_path) == (score, here)
    assert (after.kth_value, after.best_k_models) == (score, {here: score})


def test_what_killed_writers_left_is_removed_at_the_start(tmp_path):
    for name in (".last.ckpt.123.tmp", "last.ckpt"):
        (tmp_path / name).touch()
    LastCheckpoint(tmp_path).on_train_start(
        SimpleNamespace(is_global_zero=True, global_step=0), LightningModule()
    )
    assert [p.name for p in tmp_path.iterdir()] == ["last.ckpt"]
