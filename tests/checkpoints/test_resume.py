"""A run killed at any moment and started again ends with the bits of an undisturbed run."""

import json
import random
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
import tiny_run
import torch
import torch.nn.functional as F
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback
from ranks import end_state, finish, run_killed
from windowed_runs import DATA, windowed_model, windowed_sets

import lightning_sciml.cli.fit  # noqa: F401 -- imported before forking: seconds saved each time
from lightning_sciml.checkpoints.resumption import checkpoint_to_resume
from lightning_sciml.cli.main import main
from lightning_sciml.models.fno import FNO
from lightning_sciml.run_folder import RunFolder

MIXED = ("poisson_1_5", "helmholtz_1_10")


class NoisyFNO(FNO):
    """Draws random numbers in every step of training."""

    def forward(self, source: torch.Tensor, coefficients: torch.Tensor) -> torch.Tensor:
        return super().forward(F.dropout(source, 0.1, self.training), coefficients)


@pytest.fixture
def write_config(tmp_path, datasets):
    def write(
        name: str,
        callbacks: Sequence[object] = (),
        network=NoisyFNO,
        trainer=None,
        every=3,
        windowed=False,
        **data,
    ) -> Path:
        names, path = ["k11", "k22", "k12", "omega"], f"{network.__module__}.{network.__name__}"
        steady = {"network": tiny_run.network(names, path), "augmentations": ["square"]}
        sets = [datasets[n] for n in MIXED]
        return tiny_run.write_run(
            tmp_path / name,
            windowed_sets(tmp_path, datasets) if windowed else sets,
            model=windowed_model(path) if windowed else steady,
            data={**(DATA if windowed else {}), **data},
            trainer={"max_epochs": 4, "callbacks": list(callbacks), **(trainer or {})},
            checkpoint_every_n_steps=every,
            poll_s=0,
        )

    return write


class StopAfter(Callback):
    """Asks the run to stop after a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_start(self, trainer: Trainer, *_: object) -> None:
        if trainer.global_step == self.step:
            RunFolder(trainer.default_root_dir).stop_requested.touch()


def assert_same_bits(run: Path, undisturbed: Path) -> None:
    one, other = end_state(run), end_state(undisturbed)
    torch.testing.assert_close(one, other, rtol=0, atol=0)


def check_kills(write_config, tmp_path, *, world_size, num_kills, **data) -> None:
    """Kill runs at random moments after random steps; each then ends as if undisturbed."""
    finish(write_config("undisturbed", **data), world_size)
    num_steps = end_state(tmp_path / "undisturbed")["step"]
    generator = random.Random(0)
    num_killed = 0
    while num_killed < num_kills:
        name, step = f"killed_{num_killed}", generator.randrange(1, num_steps - 1)
        kill = {"step": step, "delay_s": generator.uniform(0, 0.05)}
        killer = {"class_path": "ranks.KillAt", "init_args": kill}
        if run_killed(write_config(name, [killer], **data), world_size):
            finish(write_config(name, **data), world_size)
            assert_same_bits(tmp_path / name, tmp_path / "undisturbed")
            num_killed += 1
        else:  # the kill came too late and counts for nothing
            shutil.rmtree(tmp_path / name)


@pytest.mark.parametrize("world_size", [1, 2])
def test_kills_leave_no_trace(write_config, tmp_path, world_size):
    check_kills(write_config, tmp_path, world_size=world_size, num_kills=2)


def test_kills_amid_windows_on_mixed_grids_leave_no_trace(write_config, tmp_path):
    check_kills(write_config, tmp_path, world_size=2, num_kills=1, windowed=True)


def test_a_kill_after_a_checkpoint_at_the_end_of_an_epoch_leaves_no_trace(write_config, tmp_path):
    """Validated by steps, over two processes."""
    steps = {"max_steps": 40, "max_epochs": -1}
    by_steps = {"check_val_every_n_epoch": None, "val_check_interval": 7, **steps}
    finish(write_config("undisturbed", trainer=by_steps, every=10), 2)
    for step in (11, 31):  # the newest checkpoint is that of step 10, or 30: the end of an epoch
        killer = {"class_path": "ranks.KillAt", "init_args": {"step": step, "delay_s": 0.0}}
        assert run_killed(write_config("killed", [killer], trainer=by_steps, every=10), 2)
    finish(write_config("killed", trainer=by_steps, every=10), 2)
    assert_same_bits(tmp_path / "killed", tmp_path / "undisturbed")


@pytest.mark.slow
@pytest.mark.parametrize("windowed", [False, True])
@pytest.mark.parametrize(("world_size", "num_kills"), [(1, 30), (2, 20)])
def test_fifty_kills_leave_no_trace(write_config, tmp_path, world_size, num_kills, windowed):
    check_kills(
        write_config,
        tmp_path,
        world_size=world_size,
        num_kills=num_kills,
        windowed=windowed,
        weights=[2.0, 1.0, 1.0] if windowed else [2.0, 1.0],
        samples_per_epoch=61,
    )


@pytest.mark.parametrize("windowed", [False, True])
def test_another_number_of_processes_resumes_with_the_same_samples(
    write_config, tmp_path, windowed
):
    options = {"network": FNO, "windowed": windowed}
    finish(write_config("undisturbed", **options), 1)
    killer = {"class_path": "ranks.KillAt", "init_args": {"step": 14, "delay_s": 0.0}}
    assert run_killed(write_config("moved", [killer], **options), 1)
    finish(write_config("moved", **options), 2)
    one, other = end_state(tmp_path / "undisturbed"), end_state(tmp_path / "moved")
    assert (one["step"], one["epoch"]) == (other["step"], other["epoch"])
    for name, weight in one["weights"].items():
        # Sums are rounded otherwise, measured 2e-7; one sample in another batch changes 1e-3.
        torch.testing.assert_close(weight, other["weights"][name], rtol=1e-4, atol=1e-5)


def test_a_checkpoint_cut_short_falls_back_to_the_one_before(write_config, tmp_path):
    finish(write_config("undisturbed"), 1)
    config = write_config("damaged")
    finish(config, 1)
    last = tmp_path / "damaged/checkpoints/last.ckpt"
    previous = torch.load(last.with_name("previous.ckpt"), weights_only=True)
    assert previous["global_step"] < end_state(tmp_path / "damaged")["step"]
    last.write_bytes(last.read_bytes()[:-100])
    with pytest.warns(UserWarning, match=r"last\.ckpt is damaged"):
        assert checkpoint_to_resume(last.parent).name == "previous.ckpt"
    finish(config, 1)
    assert_same_bits(tmp_path / "damaged", tmp_path / "undisturbed")
    assert json.loads((tmp_path / "damaged/summary.json").read_text())["num_steps"] == 40


def test_started_over_a_run_resumes_nothing(write_config, tmp_path):
    """Stopped before its first step, the new run has nothing of the old one."""
    relative = ["--model.init_args.loss", "relative_l2"]
    config, fresh = str(write_config("over")), str(write_config("fresh"))
    main(["fit", "--config", config, "--trainer.max_epochs", "1"])
    RunFolder(tmp_path / "over").stop_requested.touch()
    with pytest.raises(SystemExit):
        main(["fit", "--config", config, *relative, "--resume", "false"])
    assert not list((tmp_path / "over/checkpoints").iterdir())
    main(["fit", "--config", config, *relative])
    main(["fit", "--config", fresh, *relative])
    assert_same_bits(tmp_path / "over", tmp_path / "fresh")


@pytest.mark.parametrize("launcher", ["SLURM", "TORCHELASTIC"])
def test_what_a_launcher_starts_again_is_resumed(write_config, tmp_path, monkeypatch, launcher):
    """The line that it repeats says to start over; that was the first time."""
    main(["fit", "--config", str(write_config("whole"))])
    stopper = {"class_path": f"{__name__}.StopAfter", "init_args": {"step": 4}}
    line = ["fit", "--config", str(write_config("again", [stopper])), "--resume", "false"]
    with pytest.raises(SystemExit):
        main(line)
    monkeypatch.setenv(f"{launcher}_RESTART_COUNT", "1")
    main(line)
    assert_same_bits(tmp_path / "again", tmp_path / "whole")
