"""Configurations of the runs of a study: budgets, recipes, replay."""

import pytest
from evolution_sets import evolution_plan
from small_study import grid

from lightning_sciml.errors import InputError
from lightning_sciml.pde.grid import Grid
from lightning_sciml.study.definition.reading import load_study
from lightning_sciml.study.definition.runs import Init
from lightning_sciml.study.execution.plan import checked_plan
from lightning_sciml.study.execution.run_config import budget, run_config


def test_budgets_of_samples_and_steps(study_file):
    stage = {"epochs": 3, "min_steps": 20, "num_validations": 6, "data": {"batch_size": 8}}
    path = study_file(**grid(num_samples=[16]), downstream=stage, selection="budgeted")
    study, runs, datasets = checked_plan(path)
    run = next(r for r in runs if r.init == Init.FINE_TUNE)
    plan = budget(study, run, datasets)
    assert (plan.epoch.num_own, plan.num_val_samples) == (12, 4)
    assert (plan.num_steps, plan.val_every_n_steps) == (20, 4)
    config = run_config(study, run, datasets)
    assert config["trainer"]["max_steps"] == 20
    assert config["data"]["num_train_samples"] == 12
    assert config["data"]["subset_seed"] == run.subset_draw
    assert (config["data"]["num_val_samples"], config["data"]["val_split"]) == (4, "train")
    assert config["model"]["init_args"]["optimizer"]["init_args"]["lr"] == run.learning_rate


def test_steps_of_windows_are_those_that_training_counts(study_file):
    """12 trajectories of 4 windows on one grid, 40 steady samples on another."""
    stage = {"epochs": 1, "data": {"batch_size": 32, "history": 2}}
    pretrainings = {"poisson": {"datasets": ["poisson_1_5", "flow"]}}
    recipes = {"replaying": {"replay_share": 0.2}}
    path = study_file(
        **grid(num_samples=[8], inits=["fine_tune"]),
        pretrainings=pretrainings,
        pretrain=stage,
        downstream=stage,
        recipes=recipes,
    )
    study = load_study(path)
    flow = evolution_plan(name="flow", num_samples={"train": 12}, times=tuple(range(6)))
    of_steady = {"output_fields": ("u",), "state_fields": (), "times": ()}
    steady = evolution_plan(
        name="steady", grid=Grid(shape=(16, 16)), num_samples={"train": 40}, **of_steady
    )
    datasets = {"flow": flow, "poisson_1_5": steady, "poisson_5_10": flow}
    budgets = {run.init: budget(study, run, datasets) for run in study.runs()}
    pretrained, fine_tuned = budgets[Init.PRETRAIN], budgets[Init.FINE_TUNE]
    assert (pretrained.epoch.num_samples, pretrained.num_steps) == (12 * 4 + 40, 2 + 2)
    assert (fine_tuned.num_train_samples, fine_tuned.epoch.num_own) == (8, 32)
    assert (fine_tuned.epoch.num_replayed, fine_tuned.num_steps) == (4 + 4, 2 + 1)


def test_recipes_overrule_the_stage_and_share_pre_trainings(study_file):
    path = study_file(
        recipes={
            "paper": {},
            "relative": {"model": {"loss": "relative_l2"}},
            "frozen": {
                "fine_tune": {"statistics": "downstream"},
                "trainer": {"gradient_clip_val": 1.0},
                "pretrained_as": "paper",
            },
        },
        downstream={"min_steps": 4, "model": {"loss": "sum_of_squares"}},
    )
    study, runs, datasets = checked_plan(path)
    clipped = {
        r.recipe for r in runs if "gradient_clip_val" in run_config(study, r, datasets)["trainer"]
    }
    assert clipped == {"frozen"}
    assert [r.name for r in runs if r.init == Init.PRETRAIN] == [
        "pretrain-poisson-tiny-paper-s0",
        "pretrain-poisson-tiny-relative-s0",
    ]
    of_recipe = {
        r.recipe: run_config(study, r, datasets)["model"]["init_args"]
        for r in runs
        if r.init == Init.FINE_TUNE
    }
    assert of_recipe["relative"]["loss"] == "relative_l2"
    assert of_recipe["frozen"]["statistics"] == "downstream"
    assert "pretrain-poisson-tiny-paper-s0" in of_recipe["frozen"]["checkpoint"]


def test_precision_of_float32_products_reaches_training_and_tests(study_file):
    study, runs, datasets = checked_plan(study_file())
    assert {run_config(study, r, datasets)["matmul_precision"] for r in runs} == {"highest"}
    study, runs, datasets = checked_plan(study_file(matmul_precision="high"))
    assert {run_config(study, r, datasets)["matmul_precision"] for r in runs} == {"high"}
    with pytest.raises(InputError, match="matmul_precision must be one of highest, high, medium"):
        checked_plan(study_file(matmul_precision="tf32"))


def test_replay_mixes_the_pre_training_set_into_fine_tuning_alone(study_file):
    path = study_file(
        **grid(num_samples=[8]),
        recipes={"paper": {}, "replay": {"replay_share": 0.75, "pretrained_as": "paper"}},
        downstream={"epochs": 3, "data": {"batch_size": 16}},
    )
    study, runs, datasets = checked_plan(path)
    replaying = {
        r for r in runs if "replay" in run_config(study, r, datasets)["data"] and r.pretrained
    }
    tuned = [r for r in runs if r.init == Init.FINE_TUNE]
    assert replaying == {r for r in tuned if r.recipe == "replay"}
    for run in replaying:
        data = run_config(study, run, datasets)["data"]
        assert data["replay"] == [str(study.dataset_dir("poisson_1_5"))]
        assert (data["replay_share"], data["num_train_samples"]) == (0.75, 8)
        plan = budget(study, run, datasets)  # 8 + 24 samples an epoch are two batches
        assert (plan.num_steps, plan.num_samples_seen) == (6, 96)
