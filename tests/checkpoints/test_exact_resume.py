"""A run ended at any moment and resumed takes the samples, and ends with the bits, of another."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_run
import torch
import torch.nn.functional as F
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback
from windowed_runs import DATA, STRIDES, pushforward_model, windowed_model, windowed_sets

from lightning_sciml.models.fno import FNO
from lightning_sciml.run_folder import RunFolder

NUM_EPOCHS = 4
FULL_EPOCH, ONE_BATCH = 8, 40  # batch sizes: of 40 samples five batches an epoch, or one
VALIDATION = {
    "by_epochs": {},
    "by_steps_that_divide": {"check_val_every_n_epoch": None, "val_check_interval": 5},
    "by_steps_that_do_not": {"check_val_every_n_epoch": None, "val_check_interval": 4},
}
MOMENTS = ("mid_epoch", "last_batch", "one_batch_an_epoch", "during_validation")


class KilledError(Exception):
    """Ends a run in this process as SIGKILL would: nothing of ours handles it."""


class NoisyFNO(FNO):
    """Draws random numbers in every step of training."""

    def forward(self, source: torch.Tensor, coefficients: torch.Tensor) -> torch.Tensor:
        return super().forward(F.dropout(source, 0.1, self.training), coefficients)


class Recorder(Callback):
    """Appends what the run does to RUN_DIR/record.jsonl."""

    def _write(self, trainer: Trainer, **entry: Any) -> None:
        with (Path(trainer.default_root_dir) / "record.jsonl").open("a") as file:
            file.write(json.dumps(entry) + "\n")

    def on_train_start(self, trainer: Trainer, *_: object) -> None:
        self._write(trainer, start=trainer.fit_loop.total_batch_idx)

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        where = [trainer.current_epoch, batch_idx, trainer.global_step]
        logged_at = trainer.fit_loop.epoch_loop._batches_that_stepped
        places = batch.dataset, batch.sample_index, batch.time_index, batch.lead_time
        samples = [place.tolist() for place in places]
        self._write(trainer, batch=[*where, samples, rate, logged_at])

    def on_validation_end(self, trainer: Trainer, *_: object) -> None:
        error = float(trainer.callback_metrics["val/relative_l2"])
        logged_at = trainer.fit_loop.epoch_loop._batches_that_stepped
        self._write(trainer, validation=[trainer.global_step, error, logged_at])


class EndAt(Callback):
    """Ends a run at a batch, counted from 1 over all epochs, or in the first validation behind it.

    Args:
        batch: number of the batch.
        moment: one of MOMENTS.
        way: "kill" or "stop".
    """

    def __init__(self, batch: int, moment: str, way: str) -> None:
        self.batch, self.moment, self.way = batch, moment, way
        self._is_done = False

    def on_train_batch_start(self, trainer: Trainer, *_: object) -> None:
        if self.moment != "during_validation":
            self._end(trainer, trainer.fit_loop.total_batch_idx + 1)

    def on_validation_batch_start(self, trainer: Trainer, *_: object) -> None:
        if self.moment == "during_validation":
            self._end(trainer, trainer.fit_loop.total_batch_idx + 1)

    def _end(self, trainer: Trainer, batch: int) -> None:
        if batch < self.batch or self._is_done:
            return
        self._is_done = True
        if self.way == "kill":
            raise KilledError
        RunFolder(trainer.default_root_dir).stop_requested.touch()


@pytest.fixture(scope="module")
def fit(tmp_path_factory, datasets) -> Callable[..., Path]:
    """Run once; the folder of the run."""
    root = tmp_path_factory.mktemp("exact_resume")

    def run(
        name: str,
        *callbacks: dict,
        batch_size: int = FULL_EPOCH,
        every: int = 2,
        scheduler=None,
        windowed: bool = False,
        pushforward: bool = False,
        **trainer,
    ):
        plateau = {"scheduler": scheduler} if scheduler else {}
        noisy = f"{__name__}.NoisyFNO"
        model, data = {"network": tiny_run.network(class_path=noisy)}, {}
        if windowed:
            model, data = windowed_model(noisy), DATA
        if pushforward:
            model, data = pushforward_model(noisy), STRIDES
        config = tiny_run.write_run(
            root / name,
            windowed_sets(root, datasets) if data else [datasets["poisson_1_5"]],
            model={**model, **plateau},
            data={"batch_size": batch_size, **data},
            trainer={"callbacks": [{"class_path": f"{__name__}.Recorder"}, *callbacks], **trainer},
            checkpoint_every_n_steps=every,
            poll_s=0,
        )
        return tiny_run.fit(config)

    run.root = root
    return run


def segments(run: Path) -> list[list[dict[str, Any]]]:
    """What each start of the run recorded."""
    parts: list[list[dict[str, Any]]] = []
    for line in (run / "record.jsonl").read_text().splitlines():
        entry = json.loads(line)
        if "start" in entry:
            parts.append([])
        else:
            parts[-1].append(entry)
    return parts


def end_state(run: Path) -> dict[str, Any]:
    """Everything of the last and the best checkpoint that a continued training depends on."""
    state = {}
    for name in ("last.ckpt", "best.ckpt"):
        checkpoint = torch.load(run / "checkpoints" / name, weights_only=True)
        best = next(v for k, v in checkpoint["callbacks"].items() if "Checkpoint" in k)
        state[name] = {
            "weights": checkpoint["state_dict"],
            "optimizer": checkpoint["optimizer_states"][0]["state"],
            "scheduler": [
                {name: value for name, value in schedule.items() if not isinstance(value, str)}
                for schedule in checkpoint["lr_schedulers"]
            ],
            "best": best["best_model_score"],
            "step": checkpoint["global_step"],
            "epoch": checkpoint["epoch"],
        }
    return state


def assert_undisturbed(run: Path, whole: Path, *, may_repeat: bool) -> None:
    """Each start did what comes after some point of the undisturbed run, and none left a gap."""
    (wanted,) = segments(whole)
    num_done = 0
    for part in segments(run):
        first = wanted.index(part[0]) if part else num_done
        assert part == wanted[first : first + len(part)]
        assert first <= num_done if may_repeat else first == num_done
        num_done = first + len(part)
    assert num_done == len(wanted)
    torch.testing.assert_close(end_state(run), end_state(whole), rtol=0, atol=0)


CELLS = list(itertools.product(VALIDATION, MOMENTS, ("kill", "stop"), (1, 3), ("epochs", "steps")))


def last_planned(end: str, num_batches: int, accumulate: int) -> dict[str, int]:
    """The end of training, told in epochs or in steps."""
    if end == "epochs":
        return {"max_epochs": NUM_EPOCHS}
    return {"max_steps": NUM_EPOCHS * -(-num_batches // accumulate), "max_epochs": -1}


def check_cell(fit, validation: str, moment: str, way: str, accumulate: int, end: str, **more):
    """Run one cell of the table, ended at several batches one after another.

    A run killed at the start of a batch has written its last checkpoint after the batch before.
    """
    n = more.get("limit_train_batches", 1 if moment == "one_batch_an_epoch" else 5)
    options = {
        "batch_size": ONE_BATCH if n == 1 else FULL_EPOCH,
        "every": 1,
        "accumulate_grad_batches": accumulate,
        **VALIDATION[validation],
        **last_planned(end, n, accumulate),
        **more,
    }
    if n == 1 and validation.startswith("by_steps"):
        options["val_check_interval"] = 1 if validation == "by_steps_that_divide" else 3
    whole = fit.root / ("whole_" + "_".join(f"{k}_{v}" for k, v in sorted(options.items())))
    if not whole.exists():
        fit(whole.name, **options)
    name = f"ended_{len(list(fit.root.iterdir()))}"
    batches = {
        "mid_epoch": (n - 2, 2 * n - 2, 3 * n - 1),
        "last_batch": (n, n + 1, 3 * n + 1) if way == "kill" else (n, 2 * n, 3 * n),
        "one_batch_an_epoch": (2, 3),
        "during_validation": (n - 1,),  # where validation is rare, the next one may be the last
    }[moment]
    ends_with = KilledError if way == "kill" else SystemExit
    for batch in batches:
        arguments = {"batch": batch, "moment": moment, "way": way}
        with pytest.raises(ends_with):
            fit(name, {"class_path": f"{__name__}.EndAt", "init_args": arguments}, **options)
    run = fit(name, **options)
    assert_undisturbed(run, whole, may_repeat=way == "kill")


@pytest.mark.slow
@pytest.mark.parametrize(("validation", "moment", "way", "accumulate", "end"), CELLS)
def test_table(fit, validation, moment, way, accumulate, end):
    check_cell(fit, validation, moment, way, accumulate, end)


@pytest.mark.parametrize(
    ("validation", "moment", "way", "accumulate", "end"),
    [
        ("by_steps_that_do_not", "last_batch", "kill", 1, "steps"),
        ("by_steps_that_divide", "mid_epoch", "stop", 3, "steps"),
        ("by_steps_that_do_not", "during_validation", "kill", 3, "epochs"),
        ("by_epochs", "one_batch_an_epoch", "kill", 1, "steps"),
    ],
)
def test_some_of_the_table(fit, validation, moment, way, accumulate, end):
    check_cell(fit, validation, moment, way, accumulate, end)


WINDOWED = [cell for cell in CELLS if "one_batch_an_epoch" not in cell]  # a batch a grid at least


@pytest.mark.slow
@pytest.mark.parametrize(("validation", "moment", "way", "accumulate", "end"), WINDOWED)
def test_table_of_windows_on_mixed_grids(fit, validation, moment, way, accumulate, end):
    check_cell(fit, validation, moment, way, accumulate, end, windowed=True)


@pytest.mark.parametrize(
    ("validation", "moment", "way", "accumulate", "end"),
    [
        ("by_steps_that_do_not", "mid_epoch", "kill", 1, "steps"),
        ("by_epochs", "last_batch", "stop", 3, "epochs"),
    ],
)
def test_some_windows_on_mixed_grids(fit, validation, moment, way, accumulate, end):
    check_cell(fit, validation, moment, way, accumulate, end, windowed=True)


@pytest.mark.parametrize(
    ("validation", "moment", "way", "accumulate", "end"),
    [
        ("by_steps_that_do_not", "mid_epoch", "kill", 1, "steps"),
        pytest.param("by_epochs", "last_batch", "stop", 3, "epochs", marks=pytest.mark.slow),
    ],
)
def test_pushforward_over_several_strides(fit, validation, moment, way, accumulate, end):
    check_cell(fit, validation, moment, way, accumulate, end, pushforward=True)


def test_accumulation_that_changes_by_epochs_is_followed_within_an_epoch(fit):
    scheduled = {
        "class_path": "lightning.pytorch.callbacks.GradientAccumulationScheduler",
        "init_args": {"scheduling": {0: 1, 1: 3}},
    }
    whole = fit("whole_scheduled", scheduled, every=1, max_epochs=2)
    ends = {"batch": 9, "moment": "mid_epoch", "way": "kill"}
    with pytest.raises(KilledError):
        fit(
            "scheduled",
            scheduled,
            {"class_path": f"{__name__}.EndAt", "init_args": ends},
            every=1,
            max_epochs=2,
        )
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
    ends = {"batch": batch, "moment": "mid_epoch", "way": "kill"}
    name, killer = f"averaged_{batch}", {"class_path": f"{__name__}.EndAt", "init_args": ends}
    with pytest.raises(KilledError):
        fit(name, averaging, killer, every=1, max_epochs=3)
    assert_undisturbed(fit(name, averaging, every=1, max_epochs=3), whole, may_repeat=True)


LIMITS = {
    "cut_epochs": {"limit_train_batches": 3, "limit_val_batches": 1},
    "fraction": {"check_val_every_n_epoch": 1, "val_check_interval": 0.4},
    "every_batch": {"check_val_every_n_epoch": None, "val_check_interval": 1},
    "every_second_epoch": {"check_val_every_n_epoch": 2, "val_check_interval": 1.0},
}


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["mid_epoch", "last_batch", "during_validation"])
@pytest.mark.parametrize("way", ["kill", "stop"])
@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("end", ["epochs", "steps"])
@pytest.mark.parametrize("limits", LIMITS)
@pytest.mark.parametrize("windowed", [False, True])
def test_table_of_limits(fit, limits, moment, way, accumulate, end, windowed):
    check_limits(fit, limits, moment, way, accumulate, end, windowed=windowed)


@pytest.mark.parametrize(
    ("limits", "moment", "way", "accumulate", "end"),
    [
        ("cut_epochs", "last_batch", "kill", 1, "steps"),
        ("every_batch", "mid_epoch", "stop", 1, "epochs"),
    ],
)
def test_some_of_the_table_of_limits(fit, limits, moment, way, accumulate, end):
    check_limits(fit, limits, moment, way, accumulate, end)


def check_limits(fit, limits, moment, way, accumulate, end, *, windowed=False):
    options = {**LIMITS[limits], "windowed": windowed}
    if windowed:  # one batch would leave data sets out, of whose errors there is then no mean
        options.pop("limit_val_batches", None)
    check_cell(fit, "by_epochs", moment, way, accumulate, end, **options)


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
        arguments = {"batch": batch, "moment": "mid_epoch", "way": "kill"}
        with pytest.raises(KilledError):
            fit(run.name, {"class_path": f"{__name__}.EndAt", "init_args": arguments}, **options)
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
    arguments = {"batch": 13, "moment": "mid_epoch", "way": "kill"}
    with pytest.raises(KilledError):
        fit(run.name, {"class_path": f"{__name__}.EndAt", "init_args": arguments}, **options)
    for name in ("last.ckpt", "previous.ckpt"):
        (run / "checkpoints" / name).unlink()
    (run / "checkpoints/best.ckpt").rename(run / "checkpoints/last.ckpt")
    fit(run.name, **options)
    assert_undisturbed(run, whole, may_repeat=True)
