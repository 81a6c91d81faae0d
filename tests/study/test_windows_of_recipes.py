"""Recipes that differ in the windows of their runs."""

import json

import pytest
from small_study import rejection

from lightning_sciml.cli.main import main
from lightning_sciml.study.definition.runs import Init
from lightning_sciml.study.execution.plan import checked_plan
from lightning_sciml.study.execution.run_config import budget, run_config
from lightning_sciml.study.execution.run_process import commands

UNROLLED = "num_unrolled_steps"
STANDARD = {"normalization": "standard"}
TIMED = ["lead_time"]
ONE_STEP = {"batch_size": 4, "history": 1}
RECIPES = {
    "one_step": {"model": STANDARD},
    "unrolled": {
        "model": STANDARD,
        "data": {"num_unrolled_steps": 2},
        "fine_tune_data": {"num_unrolled_steps": 3, "history": 2},
        "pretrained_as": "one_step",
    },
}


def test_data_options_of_a_recipe_lie_over_those_of_its_section(heat_study):
    """Of 5 stored times 5 - (h + K - 1) windows begin at each; the budget counts these."""
    study, runs, datasets = checked_plan(heat_study(data=ONE_STEP, recipes=RECIPES))
    windows = {
        (run.init, run.recipe): (
            *(run_config(study, run, datasets)["data"].get(k, 1) for k in ("history", UNROLLED)),
            budget(study, run, datasets).epoch.num_own,
        )
        for run in runs
    }
    assert windows == {
        (Init.PRETRAIN, "one_step"): (1, 1, 6 * 4),
        (Init.SCRATCH, "one_step"): (1, 1, 4 * 4),
        (Init.FINE_TUNE, "one_step"): (1, 1, 4 * 4),
        (Init.ZERO_SHOT, "one_step"): (1, 1, 0),
        (Init.SCRATCH, "unrolled"): (1, 2, 4 * 3),
        (Init.FINE_TUNE, "unrolled"): (2, 3, 4 * 1),
        (Init.ZERO_SHOT, "unrolled"): (1, 2, 0),
    }


def test_states_that_fine_tuning_adds_follow_the_channels_of_the_pre_training(heat_study):
    study, runs, datasets = checked_plan(heat_study(data=ONE_STEP, recipes=RECIPES))
    run = next(r for r in runs if (r.init, r.recipe) == (Init.FINE_TUNE, "unrolled"))
    arguments = run_config(study, run, datasets)["model"]["init_args"]["network"]["init_args"]
    assert arguments["input_fields"] == ["source", "u", "v", "u@-1", "v@-1"]


def test_runs_that_unroll_are_tested_on_windows_of_one_step(heat_study):
    study, runs, _ = checked_plan(heat_study(data=ONE_STEP, recipes=RECIPES))
    unrolling = {run for run in runs if run.recipe == "unrolled"}
    for run in runs:
        test = commands(study, run)[-1]
        assert (test[-2:] == ["--data.num_unrolled_steps", "1"]) == (run in unrolling)


def test_a_model_may_take_the_time_of_a_step_beside_the_coefficients_of_the_data(heat_study):
    """An epoch has the windows of all strides: of 5 times 4, 3 and 1."""
    data = {**ONE_STEP, "stride": [1, 2, 4]}
    path = heat_study(data=data, recipes={"own": {"model": STANDARD}}, coefficient_names=TIMED)
    study, runs, datasets = checked_plan(path)
    for run in runs:
        arguments = run_config(study, run, datasets)["model"]["init_args"]["network"]["init_args"]
        assert arguments["coefficient_names"] == ["nu", "lead_time"]
    assert budget(study, runs[0], datasets).epoch.num_own == 6 * (4 + 3 + 1)


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (
            {"data": {"stride": 0}},
            "recipes.own: data.stride must be a whole number, at least 1, got 0",
        ),
        (
            {"data": {"stride": [1, "2"]}},
            "recipes.own: data.stride must be a whole number, at least 1, got [1, '2']",
        ),
        ({"data": {"replay": ["x"]}}, "recipes.own: data.replay follows from pretrainings, reci"),
        (
            {"fine_tune_data": {"subset_seed": 1}},
            "recipes.own: fine_tune_data.subset_seed follows from the grids; leave it out",
        ),
        (
            {"fine_tune_data": {"num_unrolled_steps": 5}},
            "downstream.data, recipes.own.fine_tune_data: windows of history=1 and "
            "num_unrolled_steps=5 at stride=1 take 6 stored times, the trajectories of after have",
        ),
        (
            {"data": {"num_val_samples": 9}},
            "before has 2 val samples, recipes.own.data.num_val_samples wants 9; lower it",
        ),
    ],
)
def test_data_options_of_a_recipe_are_checked_as_those_of_a_section(
    heat_study, capsys, options, fault
):
    path = heat_study(data=ONE_STEP, recipes={"own": {"model": STANDARD, **options}})
    assert fault in rejection("plan", path, capsys)


@pytest.mark.slow
def test_fine_tuning_with_other_windows_than_the_pre_training_runs(heat_study, tmp_path):
    main(["study", "run", str(heat_study(data=ONE_STEP, recipes=RECIPES))])
    results = [json.loads(p.read_text()) for p in tmp_path.glob("study/runs/*/result.json")]
    assert len(results) == 7
    for folder in tmp_path.glob("study/runs/*-unrolled*"):
        (report,) = (json.loads(p.read_text()) for p in folder.glob("test/*.json"))
        assert len(report.get("steps", [1])) == 1
