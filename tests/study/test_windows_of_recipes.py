"""Recipes that differ in the windows of their runs."""

import json
import re

import numpy as np
import pytest
import yaml
from heat_sets import write_heat
from small_study import rejection

from lightning_sciml import write_dataset
from lightning_sciml.cli.main import main
from lightning_sciml.study.definition.runs import Init
from lightning_sciml.study.execution import memory_faults
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
    """Count 5 - (h + K - 1) windows of 5 stored times in the budget."""
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
    study, runs, datasets = checked_plan(heat_study(data=ONE_STEP, recipes=RECIPES))
    unrolling = {run for run in runs if run.recipe == "unrolled"}
    for run in runs:
        test = commands(study, run, datasets)[-1]
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


def test_all_that_does_not_fit_trajectories_or_memory_is_named_at_once(
    heat_study, capsys, monkeypatch
):
    """Fields without a counterpart, a stride, an unroll and a rollout too long, and memory."""
    monkeypatch.setattr(memory_faults, "_free_memory", lambda _: (1e5, 1))
    recipes = {
        "strided": {"model": STANDARD, "data": {"stride": [1, 5]}},
        "longer": {"model": STANDARD, "data": {UNROLLED: 5}, "pretrained_as": "unrolled"},
        "unrolled": {"model": STANDARD, "data": {UNROLLED: 2}},
        "bounded": {"model": {**STANDARD, "gradients": "last"}, "data": {UNROLLED: 3}},
    }
    path = heat_study(data=ONE_STEP, recipes=recipes)
    tree = yaml.safe_load(path.read_text())
    tree["models"]["other"] = {"num_channels": 4, "num_modes": 4, "output_fields": ["v"]}
    path.write_text(yaml.safe_dump(tree | {"rollout": 6}))
    found = rejection("plan", path, capsys)
    for fault in (
        "models.other: output_fields ['v'] lack u of after; add",
        "recipes.strided.data: windows of history=1 and num_unrolled_steps=1 at stride=5 take 6",
        "recipes.longer.data: windows of history=1 and num_unrolled_steps=5 at stride=1 take 6",
        "rollout=6 after history=1 at stride=1 takes at least 7 stored times",
        "pretrain-heat-tiny-unrolled-s0: num_unrolled_steps=2 of 4 samples a device take about",
        "scratch-after-tiny-unrolled-n4-lr0.001-s0-d0: num_unrolled_steps=2 of 4 samples",
        "scratch-after-tiny-bounded-n4-lr0.001-s0-d0: num_unrolled_steps=3 of 4 samples",
        "0.1 MB are free; set model.checkpoint_steps to true, model.gradients to last, ",
    ):
        assert fault in found, fault


def test_fewer_input_states_than_in_pre_training_are_a_fault_of_the_plan(heat_study, capsys):
    path = heat_study(data=ONE_STEP, recipes={"own": {"model": STANDARD}})
    tree = yaml.safe_load(path.read_text())
    tree["pretrain"] = {**tree["pretrain"], "data": {**ONE_STEP, "history": 2}}
    path.write_text(yaml.safe_dump(tree))
    message = rejection("plan", path, capsys)
    assert "1 fault" in message
    assert "downstream.data: the network takes u@-1, v@-1, windows of history=1 do" in message


def test_windows_fit_what_is_replayed(heat_sets, heat_study, capsys):
    if not (heat_sets / "short").exists():
        write_heat(heat_sets / "short", fields=("u", "v"), with_source=True, num_times=3)
    replaying = {"model": STANDARD, "fine_tune_data": {UNROLLED: 3}, "replay_share": 0.5}
    path = heat_study(pretraining=["short"], data=ONE_STEP, recipes={"own": replaying})
    message = rejection("plan", path, capsys)
    assert "1 fault" in message
    assert "recipes.own.fine_tune_data: windows of history=1 and num_unrolled_steps=3" in message


def test_the_memory_is_that_of_the_largest_batch_of_a_recipe(heat_study, capsys, monkeypatch):
    """Take 1 trajectory with 3 windows, and 4 with 12; the first run has the fewest."""
    monkeypatch.setattr(memory_faults, "_free_memory", lambda _: (1e5, 1))
    data = {**ONE_STEP, "batch_size": 16, UNROLLED: 2}
    path = heat_study(data=data, recipes={"own": {"model": STANDARD}})
    tree = yaml.safe_load(path.read_text())
    tree["grids"][0]["num_samples"] = [1, 4]
    path.write_text(yaml.safe_dump(tree))
    assert re.findall(r"own-n(\d).*? of (\d+) samples", rejection("plan", path, capsys)) == [
        ("4", "12"),  # from scratch
        ("4", "12"),  # fine-tuned
    ]


def test_steps_of_several_lengths_are_named_where_a_model_is_told_one(
    heat_sets, heat_study, capsys
):
    options = {"data": {**ONE_STEP, UNROLLED: 2}, "recipes": {"own": {"model": STANDARD}}}
    folder = heat_sets / "uneven"
    if not folder.exists():
        states = np.random.default_rng(0).normal(size=(8, 4, 8, 8))
        split = {"train": 4, "val": 2, "test": 2}
        write_dataset(folder, states={"u": states}, times=[0.0, 1.0, 2.0, 4.0], split=split)
    path = heat_study(["uneven"], ["plain"], coefficient_names=TIMED, **options)
    fault = "downstream.data: lead_time is the time of each step of a window, the stored times of "
    assert f"{fault}uneven lie 1 to 2 apart" in rejection("plan", path, capsys)


@pytest.mark.slow
def test_fine_tuning_with_other_windows_than_the_pre_training_runs(heat_study, tmp_path):
    main(["study", "run", str(heat_study(data=ONE_STEP, recipes=RECIPES))])
    results = [json.loads(p.read_text()) for p in tmp_path.glob("study/runs/*/result.json")]
    assert len(results) == 7
    for folder in tmp_path.glob("study/runs/*-unrolled*"):
        (report,) = (json.loads(p.read_text()) for p in folder.glob("test/*.json"))
        assert len(report.get("steps", [1])) == 1
