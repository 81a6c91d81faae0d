"""Runs of a study are tested by rollouts as well, on the data sets that evolve."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from heat_sets import write_heat
from small_study import TRAINER, execute, option, pretended, rejection

from lightning_sciml import write_dataset
from lightning_sciml.cli.main import main
from lightning_sciml.study.execution.plan import checked_plan
from lightning_sciml.study.execution.run_config import run_config
from lightning_sciml.study.execution.run_files import State, read_result, state_of
from lightning_sciml.study.execution.run_process import commands

NUM_TIMES = 9
COLUMNS = ("rollout_relative_l2", "rollout_relative_l2_last", "correlation_time", "num_blown_up")


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Folder of two sets that evolve, of one and two fields, and of a steady one."""
    folder = tmp_path_factory.mktemp("sets")
    write_heat(folder / "one", num_times=NUM_TIMES)
    write_heat(folder / "two", fields=("u", "v"), num_times=NUM_TIMES, seed=1, shape=(12, 12))
    rng = np.random.default_rng(0)
    write_dataset(
        folder / "still",
        inputs={"source": rng.standard_normal((10, 8, 8))},
        outputs={"u": rng.standard_normal((10, 8, 8))},
        coefficients={"nu": np.ones(10)},
        split={"train": 6, "val": 2, "test": 2},
    )
    return folder


@pytest.fixture
def rolling_study(tmp_path, sets):
    """Writes a study and returns its path."""

    def write(pretraining=("one", "two", "still"), tested=("two",), **changes):
        stage = {"min_steps": 2, "num_validations": 1, "trainer": TRAINER}
        tree = {
            "output": str(tmp_path / "study"),
            "data_dir": str(sets),
            "models": {"tiny": {"num_channels": 4, "num_modes": 4}},
            "recipes": {"standard": {"model": {"normalization": "standard"}}},
            "pretrainings": {
                "mix": {"datasets": list(pretraining), "weights": [1.0] * len(pretraining)}
            },
            "pretrain": stage,
            "downstream": stage,
            "rollout": "all",
            "grids": [
                {
                    "datasets": list(tested),
                    "inits": ["zero_shot"],
                    "pretrainings": ["mix"],
                }
            ],
        }
        path = tmp_path / "rolling.yaml"
        path.write_text(yaml.safe_dump({**tree, **changes}))
        return path

    return write


@pytest.mark.slow
def test_a_run_on_a_mixture_is_rolled_out_on_the_sets_that_evolve(rolling_study):
    """The JSON of the test has what result.json keeps; a test that was cut off is repeated."""
    path = rolling_study()
    main(["study", "run", str(path), "--index", "0"])
    study, [run, _], _ = checked_plan(path)
    result = read_result(study, run)
    assert sorted(result.tests) == ["one", "still", "two"]
    assert sorted(result.rollouts) == ["one", "two"]
    tests = study.run_dir(run) / "test"
    report = json.loads((tests / "one+two-rollout.json").read_text())["datasets"]
    for name, rollouts in result.rollouts.items():
        rollout = rollouts.mean
        assert len(rollout.relative_l2) == NUM_TIMES - 1
        np.testing.assert_allclose(rollout.lead_times, 0.1 * np.arange(1, NUM_TIMES))
        assert rollout.mean_relative_l2 == pytest.approx(np.mean(rollout.relative_l2))
        assert rollout.vrmse[3] == report[name]["steps"][3]["vrmse"]["mean"]
        assert rollout.correlation_time == report[name]["correlation_time"]["median"]
        assert (rollout.num_samples, rollout.num_blown_up) == (2, 0)
    by_field = [of.relative_l2 for of in result.rollouts["two"].fields.values()]
    np.testing.assert_allclose(np.mean(by_field, axis=0), result.rollouts["two"].mean.relative_l2)
    assert result.rollouts["one"].fields == {}

    (study.run_dir(run) / "result.json").unlink()  # as if killed between the two tests
    (tests / "one+two-rollout.json").unlink()
    main(["study", "run", str(path), "--index", "0"])
    assert read_result(study, run).rollouts == result.rollouts


def reported(relative_l2, **blow_up):
    """A part of a report on rollouts of two steps."""
    times = {"num_samples": 4, "num_censored": 1, "num_undefined": 0, "median": 0.15}
    error = {"relative_l2": {"mean": relative_l2}, "vrmse": {"mean": 1.0}}
    step = {"num_left_out": blow_up["num_blown_up"], **error}
    return {
        **error,
        "steps": [{"lead_time": 0.1, **step}, {"lead_time": 0.2, "num_left_out": 4}],
        "correlation_time": times,
        "windows": {},
        "blow_up": {"num_samples": 4, **blow_up},
    }


def roll_out(words):
    """What `sciml test` leaves of rollouts, without any."""
    pretended(words)
    config = yaml.safe_load(Path(option(words, "--config")).read_text())
    if words[0] == "test" and "--data.rollout=null" not in words:
        report = reported(0.5, num_blown_up=3)
        report["fields"] = {name: reported(0.5, num_blown_up=3) for name in "uv"}
        path = Path(config["run_dir"]) / "test/two-rollout.json"
        path.write_text(json.dumps(report))


def test_the_table_has_columns_of_rollouts(rolling_study, tmp_path):
    path = rolling_study(pretraining=["two"])
    assert len(execute(path, roll_out).finished) == 2
    main(["study", "report", str(path)])
    rows = list(csv.DictReader((tmp_path / "study/report/results.csv").read_text().splitlines()))
    found = {(r["init"], r["field"]): [r[name] for name in COLUMNS] for r in rows}
    assert found["zero_shot", "all"] == ["0.5", "", "0.15", "3"]
    assert found["pretrain", "all"] == ["0.5", "", "0.15", "3"]


def test_a_run_without_its_rollouts_fails_in_one_line(rolling_study):
    path, said = rolling_study(pretraining=["two"]), []
    execute(path, pretended, say=said.append)
    assert any("has no report on rollouts of two; run the test again" in line for line in said)

    def with_half_a_report(words):
        roll_out(words)
        for report in Path(option(words, "--config")).parent.glob("test/*-rollout.json"):
            report.write_text('{"blow_up": {}}')

    execute(path, with_half_a_report, say=said.append)
    assert any("two-rollout.json is no report on rollouts over several" in line for line in said)
    study, runs, _ = checked_plan(path)
    assert state_of(study, runs[0]) == State.FAILED


def test_the_second_test_of_a_run_leaves_steady_sets_out(rolling_study, sets):
    study, [mixed, plain], datasets = checked_plan(rolling_study())
    fit, on_windows, on_rollouts = commands(study, mixed, datasets)
    assert [fit[0], on_windows[0], on_rollouts[0]] == ["fit", "test", "test"]
    assert on_windows[-1] == "--data.rollout=null"
    assert on_rollouts[5:] == [f"--data.datasets=[{sets}/one, {sets}/two]", "--data.weights=null"]
    on_windows, on_rollouts = commands(study, plain, datasets)
    assert on_windows == [*on_rollouts, "--data.rollout=null"]
    study, [mixed, _], datasets = checked_plan(rolling_study(rollout=None))
    assert [words[0] for words in commands(study, mixed, datasets)] == ["fit", "test"]
    assert "--data.rollout=null" not in commands(study, mixed, datasets)[1]


def test_a_run_keeps_its_configuration_without_rollouts(rolling_study):
    study, [run, _], datasets = checked_plan(rolling_study())
    with_rollouts = run_config(study, run, datasets)
    study, [run, _], datasets = checked_plan(rolling_study(rollout=None))
    without = run_config(study, run, datasets)
    assert with_rollouts["data"].pop("rollout") == "all"
    assert with_rollouts == without


def test_runs_on_a_steady_set_are_the_same_in_the_whole_study_and_alone(rolling_study):
    recipe = {"model": {"normalization": "standard", "predicts": "increment"}}
    arms = {"inits": ["scratch"], "num_samples": [2], "learning_rates": [1e-3]}
    path = rolling_study(
        recipes={"standard": recipe}, grids=[{"datasets": ["one", "still"], **arms}]
    )
    study, [_, run], manifests = checked_plan(path)
    whole = run_config(study, run, manifests)
    assert "predicts" not in whole["model"]["init_args"]
    study, [alone], manifests = checked_plan(path, datasets=["still"])
    assert alone == run
    assert run_config(study, alone, manifests) == whole


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"rollout": 1}, "rollout must be all, or at least 2 steps, got 1"),
        ({"rollout": "some"}, "rollout must be"),
        (
            {"recipes": {"standard": {"data": {"rollout": "all"}}}},
            "recipes.standard: data.rollout stands at the top level of a study; move it there",
        ),
        (
            {"rollout": NUM_TIMES},
            f"pretrain.data: rollout={NUM_TIMES} after history=1 at stride=1 takes at least 10 "
            f"stored times, the trajectories of one have {NUM_TIMES}; rollout up to "
            f"{NUM_TIMES - 1} fits",
        ),
        (
            {"pretraining": ["still"], "tested": ["still"]},
            "rollout=all needs trajectories, still is steady; leave rollout out",
        ),
    ],
)
def test_rollouts_that_do_not_fit_are_faults_of_the_plan(rolling_study, capsys, changes, fault):
    assert fault in rejection("plan", rolling_study(**changes), capsys)
