"""How a run ends, and what it leaves for the next start, with what Lightning lets a user switch."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_run
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback

STEPS_PER_EPOCH = 5


class Rates(Callback):
    """Appends step and learning rate of each step to RUN_DIR/rates.jsonl."""

    def on_train_batch_end(self, trainer: Trainer, *_: object) -> None:
        step = [trainer.global_step, trainer.optimizers[0].param_groups[0]["lr"]]
        run_dir = Path(trainer.default_root_dir)
        run_dir.mkdir(exist_ok=True)  # a run that leaves nothing does not make it
        with (run_dir / "rates.jsonl").open("a") as file:
            file.write(json.dumps(step) + "\n")


class ConstantError(Callback):
    """Replaces the validation error, so that no validation is better than the first one."""

    def on_validation_epoch_end(self, trainer: Trainer, *_: object) -> None:
        trainer.callback_metrics["val/relative_l2"].fill_(1.0)


def steps(run: Path) -> list[int]:
    """The steps a run took, over all its starts."""
    return [json.loads(line)[0] for line in (run / "rates.jsonl").read_text().splitlines()]


def callback(name: str, **arguments: Any) -> dict[str, Any]:
    """A callback of Lightning's, or of this file, in a configuration."""
    module = __name__ if name in globals() else "lightning.pytorch.callbacks"
    return {"class_path": f"{module}.{name}", "init_args": arguments}


@pytest.fixture
def fit(tmp_path, datasets) -> Callable[..., Path]:
    """Run once; the folder of the run."""

    def run(*callbacks: dict, name: str = "run", **trainer: Any) -> Path:
        options = {"callbacks": [callback("Rates"), *callbacks], "enable_progress_bar": True}
        config = tiny_run.write_run(
            tmp_path / name,
            [datasets["poisson_1_5"]],
            trainer={**options, **trainer},
            checkpoint_every_n_steps=2,
        )
        return tiny_run.fit(config)

    return run


def messages(caplog: pytest.LogCaptureFixture) -> str:
    """What was said since the last call."""
    text = caplog.text
    caplog.clear()
    return text


def contents(run: Path) -> dict[str, bytes]:
    """Every file of a run, but for what the callback of this test writes."""
    files = {p for p in run.rglob("*") if p.is_file() and p.name != "rates.jsonl"}
    return {str(p.relative_to(run)): p.read_bytes() for p in files}


def test_a_run_to_try_the_program_leaves_nothing_to_resume_from(fit):
    run = fit(fast_dev_run=True, logger=None)
    assert contents(run) == {}
    fit(max_epochs=2)
    assert steps(run) == [1, *range(1, 2 * STEPS_PER_EPOCH + 1)]
    before = contents(run)
    fit(fast_dev_run=2)
    assert contents(run) == before
    assert steps(run)[-2:] == [1, 2]


@pytest.mark.parametrize(
    ("callbacks", "trainer", "named"),
    [
        ([], {"enable_checkpointing": False}, "trainer.enable_checkpointing"),
        ([], {"barebones": True}, "trainer.barebones"),
        (["TQDMProgressBar"], {"enable_progress_bar": False}, "TQDMProgressBar"),
        (["TQDMProgressBar", "TQDMProgressBar"], {}, "one progress bar at most"),
        (["ModelCheckpoint"], {}, "give it another dirpath"),
        (["EMAWeightAveraging"], {}, "EMAWeightAveraging would average a copy"),
    ],
)
def test_what_cannot_work_beside_ours_is_rejected_in_one_line(
    fit, tmp_path, capsys, callbacks, trainer, named
):
    with pytest.raises(SystemExit) as left:
        fit(*map(callback, callbacks), max_epochs=1, **trainer)
    assert left.value.code == 2
    errors = capsys.readouterr().err.strip().splitlines()
    assert named in errors[-1]
    assert not (tmp_path / "run/checkpoints").exists()


def test_callbacks_of_the_user_work_beside_ours(fit, tmp_path):
    """A ModelCheckpoint with the settings of ours, a progress bar, EarlyStopping."""
    own = callback(
        "ModelCheckpoint",
        monitor="val/relative_l2",
        dirpath=str(tmp_path / "own"),
        filename="{step}",
        save_last=True,
    )
    callbacks = [own, callback("TQDMProgressBar"), callback("EarlyStopping", monitor="train/loss")]
    fit(*callbacks, max_epochs=1)
    run = fit(*callbacks, max_epochs=2)
    assert steps(run) == list(range(1, 2 * STEPS_PER_EPOCH + 1))
    assert "last.ckpt" in {p.name for p in (tmp_path / "own").iterdir()}
    assert json.loads((run / "summary.json").read_text())["num_epochs"] == 2


@pytest.mark.parametrize(
    "validation",
    [{}, {"check_val_every_n_epoch": None, "val_check_interval": 3}],
    ids=["by_epochs", "by_steps"],
)
def test_a_run_that_early_stopping_ended_stays_ended(fit, caplog, validation):
    def stopping(patience: int) -> list[dict[str, Any]]:
        stops = callback("EarlyStopping", monitor="val/relative_l2", patience=patience)
        return [callback("ConstantError"), stops]

    run = fit(*stopping(1), max_epochs=6, **validation)
    taken = steps(run)
    assert taken[-1] < 6 * STEPS_PER_EPOCH
    assert f"EarlyStopping ended the run after step {taken[-1]}" in messages(caplog)
    for _ in range(2):
        fit(*stopping(1), max_epochs=6, **validation)
        assert steps(run) == taken
        assert "has ended this run" in messages(caplog)
    fit(*stopping(2), max_epochs=6, **validation)
    assert steps(run) == list(range(1, steps(run)[-1] + 1))
    assert len(steps(run)) > len(taken)


def test_a_later_end_announces_that_the_rate_jumps_and_takes_no_step_at_zero(fit, caplog):
    run = fit(max_epochs=1)
    assert "the learning rate jumps" not in messages(caplog)
    fit(max_epochs=2)
    assert "the learning rate jumps from 0 to 0.0005" in messages(caplog)
    rates = dict(json.loads(line) for line in (run / "rates.jsonl").read_text().splitlines())
    whole = fit(name="whole", max_epochs=2)
    planned = dict(json.loads(line) for line in (whole / "rates.jsonl").read_text().splitlines())
    resumed = range(STEPS_PER_EPOCH + 1, 2 * STEPS_PER_EPOCH + 1)
    assert [rates[s] for s in resumed] == [planned[s] for s in resumed]


@pytest.mark.parametrize(
    "options",
    [
        {"max_steps": 2, "max_epochs": -1},
        {"max_steps": 8, "max_epochs": -1, "check_val_every_n_epoch": 3},
        {"max_epochs": 2, "check_val_every_n_epoch": 3},
        {"max_epochs": 2, "check_val_every_n_epoch": None, "val_check_interval": 100},
        {"max_epochs": 1, "val_check_interval": "00:01:00:00", "check_val_every_n_epoch": None},
    ],
    ids=["max_steps", "max_steps_in_epoch", "rare_epochs", "interval", "by_the_clock"],
)
def test_a_run_that_no_validation_falls_into_is_validated_at_its_end(fit, options):
    run = fit(**options)
    best, last = (
        torch.load(run / "checkpoints" / name, weights_only=True)
        for name in ("best.ckpt", "last.ckpt")
    )
    assert best["global_step"] == last["global_step"] == steps(run)[-1]
    assert json.loads((run / "summary.json").read_text())["best_val_relative_l2"] > 0


def test_without_validation_there_is_no_best_checkpoint(fit):
    run = fit(max_epochs=1, limit_val_batches=0)
    assert {p.name for p in (run / "checkpoints").iterdir()} >= {"last.ckpt"}
    assert not (run / "checkpoints/best.ckpt").exists()


def test_the_cosine_ends_at_zero_where_steps_take_more_batches_by_epochs(fit):
    """Five steps, then two steps of three and two batches; the rate of a step is logged with it."""
    run = fit(callback("GradientAccumulationScheduler", scheduling={0: 1, 1: 3}), max_epochs=2)
    rates = dict(json.loads(line) for line in (run / "rates.jsonl").read_text().splitlines())
    assert max(rates) == 7
    assert rates[7] == pytest.approx(0.0, abs=1e-12)  # of the next step, behind the last one


def test_a_step_of_more_batches_than_before_takes_no_batch_again(fit):
    fit(max_steps=4, max_epochs=-1)
    run = fit(max_epochs=1, accumulate_grad_batches=3)
    assert steps(run) == [1, 2, 3, 4, 5]


@pytest.mark.filterwarnings("ignore:SWA is currently", "ignore:Swapping scheduler")
def test_a_run_whose_weights_are_averaged_is_resumed(fit):
    """Lightning puts a schedule of its own, or none at first, in the place of ours."""
    averaging = callback("StochasticWeightAveraging", swa_lrs=1e-3, swa_epoch_start=1, device="cpu")
    fit(averaging, max_steps=7, max_epochs=3)
    run = fit(averaging, max_epochs=3)
    assert steps(run) == list(range(1, 3 * STEPS_PER_EPOCH + 1))
