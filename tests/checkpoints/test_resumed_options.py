"""Schedules, averages and ends of a resumed training are those of an undisturbed run."""

import itertools
from pathlib import Path

import pytest
from ended_runs import (
    NUM_EPOCHS,
    VALIDATION,
    KilledError,
    assert_undisturbed,
    ended_at,
    segments,
)
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback


def test_accumulation_that_changes_by_epochs_is_followed_within_an_epoch(fit):
    scheduled = {
        "class_path": "lightning.pytorch.callbacks.GradientAccumulationScheduler",
        "init_args": {"scheduling": {0: 1, 1: 3}},
    }
    whole = fit("whole_scheduled", scheduled, every=1, max_epochs=2)
    with pytest.raises(KilledError):
        fit("scheduled", scheduled, ended_at(9), every=1, max_epochs=2)
    run = fit("scheduled", scheduled, every=1, max_epochs=2)
    assert_undisturbed(run, whole, may_repeat=True)


@pytest.mark.filterwarnings("ignore:SWA is currently", "ignore:Swapping scheduler")
@pytest.mark.parametrize("batch", [9, 11])
def test_averaged_weights_are_those_of_an_undisturbed_run(fit, batch):
    """Killed in the first epoch of averaging, and after it."""
    averaging = {
        "class_path": "lightning.pytorch.callbacks.StochasticWeightAveraging",
        "init_args": {"swa_lrs": 1e-2, "swa_epoch_start": 2, "annealing_epochs": 2},
    }
    whole = fit.root / "whole_averaged"
    if not whole.exists():
        fit(whole.name, averaging, every=1, max_epochs=3)
    name = f"averaged_{batch}"
    with pytest.raises(KilledError):
        fit(name, averaging, ended_at(batch), every=1, max_epochs=3)
    assert_undisturbed(fit(name, averaging, every=1, max_epochs=3), whole, may_repeat=True)


@pytest.mark.parametrize(
    ("validation", "accumulate"),
    [
        ("by_epochs", 1),
        ("by_steps_that_do_not", 2),
        *(
            pytest.param(validation, accumulate, marks=pytest.mark.slow)
            for validation, accumulate in itertools.product(VALIDATION, (1, 2))
            if (validation, accumulate) not in (("by_epochs", 1), ("by_steps_that_do_not", 2))
        ),
    ],
)
def test_an_epoch_that_max_steps_cut_short_is_finished_first(fit, validation, accumulate):
    """Resumed by epochs, as many steps are taken in all as if there had been no max_steps."""
    options = {"accumulate_grad_batches": accumulate, **VALIDATION[validation]}
    name = f"cut_by_steps_{validation}_{accumulate}"
    whole = fit(f"whole_{name}", **options, max_epochs=2)
    for num_steps in (1, 2):  # each has its own last validation, so that there is a best.ckpt
        fit(name, **options, max_steps=num_steps, max_epochs=-1)
    run = fit(name, **options, max_epochs=2)
    assert samples(run) == samples(whole)


@pytest.mark.parametrize("accumulate", [1, 3])
def test_an_epoch_that_max_time_cut_short_is_finished_first(fit, accumulate):
    """Batches whose gradients were not used are taken again."""
    options = {"accumulate_grad_batches": accumulate, "max_epochs": 2}
    name = f"cut_by_time_{accumulate}"
    whole = fit(f"whole_{name}", **options)
    fit(name, {"class_path": f"{__name__}.TimeIsOver", "init_args": {"batch": 4}}, **options)
    num_cut = len(samples(fit.root / name))
    assert num_cut == 4
    run = fit(name, **options)
    used, taken = 4 - 4 % accumulate, samples(run)
    assert taken[:used] + taken[num_cut:] == samples(whole)


class TimeIsOver(Callback):
    """Asks the trainer to stop at a batch, as Lightning's Timer does."""

    def __init__(self, batch: int) -> None:
        self.batch = batch

    def on_train_batch_end(self, trainer: Trainer, *_: object) -> None:
        if trainer.fit_loop.total_batch_idx + 1 == self.batch:
            trainer.should_stop = True


def samples(run: Path) -> list[list[int]]:
    """The samples of each batch, in the order in which the run took them."""
    return [e["batch"][3] for part in segments(run) for e in part if "batch" in e]


PLATEAU = {
    "class_path": "torch.optim.lr_scheduler.ReduceLROnPlateau",
    "init_args": {"patience": 0, "factor": 0.5, "threshold": 1.0},  # lower after each validation
}


@pytest.mark.parametrize("validation", ["by_epochs", "by_steps_that_do_not"])
def test_reduce_on_plateau_has_seen_each_validation_once(fit, validation):
    """Killed behind each of the checkpoints that follow a validation."""
    options = {**VALIDATION[validation], "max_epochs": 3, "scheduler": PLATEAU, "every": 1}
    whole = fit(f"whole_plateau_{validation}", **options)
    run = fit.root / f"plateau_{validation}"
    for batch in (5, 6, 11):
        with pytest.raises(KilledError):
            fit(run.name, ended_at(batch), **options)
    fit(run.name, **options)
    assert_undisturbed(run, whole, may_repeat=True)


@pytest.mark.parametrize(
    "validation",
    [
        "by_epochs",
        pytest.param("by_steps_that_divide", marks=pytest.mark.slow),
        "by_steps_that_do_not",
    ],
)
def test_resumed_from_its_best_checkpoint_it_is_the_same_run(fit, validation):
    options = {**VALIDATION[validation], "max_epochs": NUM_EPOCHS}
    whole = fit.root / f"whole_best_{validation}"
    fit(whole.name, **options)
    run = fit.root / f"from_best_{validation}"
    with pytest.raises(KilledError):
        fit(run.name, ended_at(13), **options)
    for name in ("last.ckpt", "previous.ckpt"):
        (run / "checkpoints" / name).unlink()
    (run / "checkpoints/best.ckpt").rename(run / "checkpoints/last.ckpt")
    fit(run.name, **options)
    assert_undisturbed(run, whole, may_repeat=True)
