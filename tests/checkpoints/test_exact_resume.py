"""A run ended at any moment and resumed takes the samples, and ends with the bits, of another."""

import itertools

import pytest
from ended_runs import (
    FULL_EPOCH,
    MOMENTS,
    NUM_EPOCHS,
    ONE_BATCH,
    VALIDATION,
    KilledError,
    assert_undisturbed,
    ended_at,
)

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
        with pytest.raises(ends_with):
            fit(name, ended_at(batch, moment, way), **options)
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
