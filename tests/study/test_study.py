"""`sciml study` as a user types it: plans, runs, goes on after trouble, reports."""

import csv
import errno
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
import yaml
from small_study import TRAINER, grid

from lightning_sciml.cli.main import main
from lightning_sciml.errors import InputError
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.study.definition.runs import DownstreamRun, Init, PretrainingRun
from lightning_sciml.study.definition.study_file import StudyFile
from lightning_sciml.study.execution.plan import checked_plan
from lightning_sciml.study.execution.run_config import budget, run_config


def test_every_run_stands_once_and_pre_trainings_stand_first(study_file):
    study = StudyFile.load(study_file(**grid()))
    runs = study.runs()
    assert len({run.name for run in runs}) == len(runs) == 1 + 1 + 2 * 2 * 2 * 2 * 3
    assert isinstance(runs[0], PretrainingRun)
    assert [r.init for r in runs[1:]].count(Init.ZERO_SHOT) == 1


def test_no_torch_to_tell_the_status(study_file):
    code = (
        "import sys; from lightning_sciml.cli.main import main; "
        f"main(['study', 'status', {str(study_file())!r}]); assert 'torch' not in sys.modules"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "4 waiting" in result.stdout


def test_the_plan_measures_how_long_it_would_take(study_file, capsys):
    path = study_file()
    main(["study", "plan", str(path)])
    assert "plan --measure tells" in capsys.readouterr().out
    main(["study", "plan", str(path), "--measure"])
    *_, samples_per_s, hours = re.search("^tiny .*$", capsys.readouterr().out, re.M)[0].split()
    assert float(samples_per_s.replace(",", "")) > 0
    assert float(hours) >= 0


def test_the_title_of_a_study_does_not_speak_to_the_terminal(study_file, capsys):
    main(["study", "plan", str(study_file(title="\x1b]0;owned\x07"))])
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert r"study small: \x1b]0;owned\x07" in out


def test_budgets_of_samples_and_steps(study_file):
    stage = {"epochs": 3, "min_steps": 20, "num_validations": 6, "data": {"batch_size": 8}}
    path = study_file(**grid(num_samples=[16]), downstream=stage, selection="budgeted")
    study, runs, datasets = checked_plan(path)
    run = next(r for r in runs if isinstance(r, DownstreamRun) and r.init == Init.FINE_TUNE)
    plan = budget(study, run, datasets)
    assert (plan.epoch.num_own, plan.num_val_samples) == (12, 4)
    assert (plan.num_steps, plan.val_every_n_steps) == (20, 4)
    config = run_config(study, run, datasets)
    assert config["trainer"]["max_steps"] == 20
    assert config["data"]["num_train_samples"] == 12
    assert config["data"]["subset_seed"] == run.subset_draw
    assert (config["data"]["num_val_samples"], config["data"]["val_split"]) == (4, "train")
    assert config["model"]["init_args"]["optimizer"]["init_args"]["lr"] == run.learning_rate


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
    assert [r.name for r in runs if isinstance(r, PretrainingRun)] == [
        "pretrain-poisson-tiny-paper-s0",
        "pretrain-poisson-tiny-relative-s0",
    ]
    of_recipe = {
        r.recipe: run_config(study, r, datasets)["model"]["init_args"]
        for r in runs
        if isinstance(r, DownstreamRun) and r.init == Init.FINE_TUNE
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
    tuned = [r for r in runs if isinstance(r, DownstreamRun) and r.init == Init.FINE_TUNE]
    assert replaying == {r for r in tuned if r.recipe == "replay"}
    for run in replaying:
        data = run_config(study, run, datasets)["data"]
        assert data["replay"] == [str(study.dataset_dir("poisson_1_5"))]
        assert (data["replay_share"], data["num_train_samples"]) == (0.75, 8)
        plan = budget(study, run, datasets)  # 8 + 24 samples an epoch are two batches
        assert (plan.num_steps, plan.num_samples_seen) == (6, 96)


def test_all_faults_are_listed_and_nothing_is_started(study_file, tmp_path, capsys):
    path = study_file(**grid(datasets=["poisson_5_10", "nowhere"], num_samples=[8, 999]))
    tree = yaml.safe_load(path.read_text())
    tree["models"]["huge"] = {"size": "9000G"}
    path.write_text(yaml.safe_dump(tree))
    message = rejection("run", path, capsys)
    for fault in ("nowhere does not exist", "has 40 train samples", "wants 999", "got 9000G"):
        assert fault in message
    assert "cannot start, 3 faults" in message
    assert not (tmp_path / "study").exists()


def test_invalid_commands_are_rejected(study_file, tmp_path, capsys):
    path = study_file()
    assert "jobs must be at least 1, got 0" in rejection("run", path, capsys, "--jobs=0")
    assert "index must lie in 0 … 3, got 4" in rejection("run", path, capsys, "--index=4")
    assert "num_ranks must be at least 1" in rejection("generate", path, capsys, "--num_ranks=0")
    other = study_file(network="nowhere.Network")
    assert "No module named 'nowhere'" in rejection("plan", other, capsys, "--measure")
    (tmp_path / "file").touch()
    nowhere = study_file(output=str(tmp_path / "file/study"))
    message = rejection("run", nowhere, capsys)
    assert "file/study cannot be written: " in message
    assert "/file is not a folder; name another" in message
    path.write_bytes(b"title: \xff")
    message = rejection("plan", path, capsys)
    assert "small.yaml cannot be read: 'utf-8' codec can't decode" in message
    path.write_text("title: [b\nmodels: c")
    assert rejection("plan", path, capsys).count("\n") == 1  # in one line
    path.write_text("title: a\ntitle: b")
    assert f"{path}: title is given twice, in lines 1 and 2" in rejection("plan", path, capsys)


def pretraining(**changes):
    return {"pretrainings": {"poisson": {"datasets": ["poisson_1_5"], **changes}}}


def stage(name, **data):
    return {name: {"min_steps": 4, "data": data}}


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"output_dir": "x"}, "unknown key output_dir"),
        (grid(inits=["finetune"]), "init must be one of"),
        (grid(pretrainings=["mixture"]), "unknown name mixture in pretrainings"),
        (grid(learning_rates=[]), "needs num_samples and learning_rates"),
        ({**grid(), "selection": "last"}, "one learning rate is wanted"),
        ({"pretrain": {"epochs": 1, "trainer": {"max_steps": 3}}}, "trainer.max_steps follows"),
        ({"recipes": {"paper": {"trainer": {"max_epochs": 3}}}}, "trainer.max_epochs follows"),
        (
            {"recipes": {"paper": {"replay_share": 1.0}}},
            "replay_share must be at least 0 and below",
        ),
        ({"pretrain": {}}, "epochs or min_steps must be at least 1"),
        (grid(learning_rates=["1e-3"]), "YAML takes 1e-3 for text), got ['1e-3']"),
        (grid(num_samples=[16.5]), "num_samples must be a list, each of it a whole number"),
        (grid(seeds=3), "seeds must be a list, got 3"),
        ({"pretrain": {"epochs": 1, "seeds": []}}, "pretrain: seeds must hold at least one number"),
        ({"grids": []}, "grids must hold at least one grid"),
        ({"models": {"tiny": None}}, "models.tiny: a mapping is wanted"),
        ({"selection": "best"}, "selection must be one of full_val, budgeted, last, got 'best'"),
        ({"generate": {"all": 3}}, "generate must be a mapping, each of it a mapping"),
        ({"models": {64: {"num_channels": 4}}}, "models must be a mapping by names (numbers in qu"),
        ({"models": {"tiny": {"size": [1]}}}, "models.tiny: size must be one of 64K"),
        ({"models": {}}, "models must name at least one, got none"),
        ({"output": None}, "output must be the name of a folder, got None"),
        (grid(datasets=[]), "grids[0]: datasets must name at least one, got none"),
        (grid(seeds=[-1]), "grids[0]: seeds must be at least 0, got -1"),
        (grid(subset_draws=[]), "grids[0]: subset_draws must hold at least one number, got none"),
        (grid(learning_rates=[float("nan")]), "a learning rate must be positive, got nan"),
        (pretraining(weights=[0.0]), "pretrainings.poisson: weights must be positive"),
        (pretraining(datasets=["poisson_1_5"] * 2), "datasets must name each once"),
        (stage("pretrain", batch_size=0), "pretrain: data.batch_size must be a whole number, at l"),
        (stage("pretrain", samples_per_epoch=-5), "data.samples_per_epoch must be a whole number"),
        (stage("pretrain", num_train_samples="x"), "data.num_train_samples must be a whole numbe"),
        (stage("pretrain", weights=[1]), "data.weights follows from pretrainings, recipes and"),
        (stage("downstream", samples_per_epoch=9), "data.samples_per_epoch follows from the grids"),
    ],
)
def test_invalid_studies_are_rejected(study_file, capsys, changes, fault):
    assert fault in rejection("plan", study_file(**changes), capsys)


def test_faults_of_the_file_and_of_its_data_come_at_once(study_file, capsys):
    path = study_file(
        **grid(num_samples=[100_000], inits=["scratch"]), models={"tiny": {"size": "3M"}}, titel="x"
    )
    message = rejection("plan", path, capsys)
    for fault in (
        "3 faults",
        "unknown key titel",
        "size must be one of",
        "train samples, the study",
    ):
        assert fault in message


@pytest.mark.parametrize(
    ("options", "faults"),
    [
        (
            {"coefficients.eigenvalue": [2, 3]},
            ["coefficients.eigenvalue=[1.0, 5.0], the study wan"],
        ),
        ({"coefficients": {"init_args": {"eigenvalue": [2, 3]}}}, ["eigenvalue=[1.0, 5.0], the"]),
        ({"coefficients.eigenvalue": [1, 5], "source.periodic": False, "num_modes": 16}, []),
        ({"coefficients.eigenvalue": "[1, 5]", "coefficients.diffusivity": "1e-2"}, []),
        ({"coefficients.class_path": "data_gen.coefficients.PoissonCoefficients"}, []),
        ({"shard_size": 7, "resume": False, "shrad_size": 7}, ["shrad_size=nothing, the study"]),
        ({"source.periodic": True, "seed": 1, "num_points": 48}, ["periodic", "seed", "points"]),
    ],
)
def test_data_made_with_other_options_are_rejected(study_file, capsys, options, faults):
    path = study_file(generate={"poisson_1_5": options})
    if not faults:
        main(["study", "plan", str(path)])
        return
    message = rejection("plan", path, capsys)
    assert f"cannot start, {len(faults)} fault" in message
    for fault in faults:
        assert re.search(rf"/poisson_1_5 was made with \S*{re.escape(fault)}", message)


def test_data_that_go_by_another_name_are_rejected(study_file, datasets, tmp_path, capsys):
    for name in ("poisson_1_5", "wide"):
        (tmp_path / name).symlink_to(datasets["poisson_1_5"])
    path = study_file(**grid(datasets=["wide"]), data_dir=str(tmp_path))
    message = rejection("plan", path, capsys)
    assert "wide is called poisson_1_5 in its manifest, the study wants wide; make it" in message


def test_missing_data_sets_are_made_by_the_mpirun_beside_this_python(
    study_file, tmp_path, monkeypatch, capsys
):
    size = {"num_points": 32, "num_train_samples": 8, "num_val_samples": 1, "num_test_samples": 1}
    path = study_file(data_dir=str(tmp_path / "data"), generate={"all": size})
    monkeypatch.setenv("PATH", "")
    main(["study", "generate", str(path)])
    assert Manifest.load(tmp_path / "data/poisson_5_10").num_samples["train"] == 8
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    main(["study", "generate", str(path)])  # nothing is missing
    path = study_file(data_dir=str(tmp_path / "other"))
    assert "mpirun is not on the PATH; load" in rejection("generate", path, capsys)


def rejection(command, path, capsys, *options) -> str:
    with pytest.raises(SystemExit) as stop:
        main(["study", command, str(path), *options])
    assert stop.value.code == 2
    return capsys.readouterr().err


def test_a_study_runs_goes_on_after_trouble_and_reports(study_file, tmp_path, capsys):
    path, runs = study_file(), tmp_path / "study/runs"
    main(["study", "run", str(path)])
    results = {p: p.stat().st_mtime_ns for p in runs.glob("*/result.json")}
    assert len(results) == 4
    tuned = next(runs.glob("fine_tune-*"))
    assert not (tuned / "checkpoints").exists()

    (tuned / "result.json").unlink()
    checkpoint = runs / "pretrain-poisson-tiny-paper-s0/checkpoints/best.ckpt"
    checkpoint.rename(tmp_path / "elsewhere")
    (tuned / "summary.json").unlink()
    with pytest.raises(SystemExit) as stop:
        main(["study", "run", str(path)])
    assert stop.value.code == 1
    main(["study", "status", str(path)])
    out = capsys.readouterr().out
    assert "3 finished  1 failed" in out
    assert "nothing is there" in out
    (tmp_path / "elsewhere").rename(checkpoint)
    main(["study", "run", str(path)])
    for result, modified in results.items():
        assert (result.stat().st_mtime_ns == modified) == (result.parent != tuned)

    main(["study", "report", str(path)])
    report = tmp_path / "study/report"
    page = (report / "report.html").read_text()
    assert "4 of 4 runs are finished" in page
    assert "http" not in page.replace("http://www.w3.org", "")  # nothing from a network
    with (report / "results.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [r["init"] for r in table] == ["pretrain", "scratch", "zero_shot", "fine_tune"]
    assert all(float(r["relative_l2"]) > 0 for r in table)


# Four steps of two batches an epoch: of 9 samples, for 3 of the 12 validate, and of all 12.
@pytest.mark.parametrize(("selection", "seen"), [("budgeted", 18), ("last", 24)])
def test_selections_that_need_no_other_samples_run(study_file, tmp_path, selection, seen):
    scratch = grid(inits=["scratch"], num_samples=[12], learning_rates=[1e-3], seeds=[0])
    path = study_file(**scratch, selection=selection, keep_checkpoints=True)
    main(["study", "run", str(path), "--index", "0"])
    folder = next((tmp_path / "study/runs").glob("scratch-*"))
    before = json.loads((folder / "result.json").read_text())
    for name in ("summary.json", "result.json"):  # as if killed after the last checkpoint
        (folder / name).unlink()
    main(["study", "run", str(path), "--index", "0"])
    after = json.loads((folder / "result.json").read_text())
    assert after["tests"] == before["tests"]
    assert after["fit_elapsed_s"] > 0
    assert json.loads((folder / "result.json").read_text())["num_samples_seen"] == seen


def test_a_run_whose_pre_training_is_not_finished_is_left(study_file, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["study", "run", str(study_file()), "--index", "3"])
    assert stop.value.code == 1
    assert "waits for pretrain-poisson-tiny-paper-s0" in capsys.readouterr().out


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK])
def test_a_study_runs_on_a_file_system_without_locks(study_file, tmp_path, monkeypatch, number):
    def flock(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    main(["study", "run", str(study_file()), "--index", "0"])
    assert len(list((tmp_path / "study/runs").glob("pretrain-*/result.json"))) == 1


def test_a_given_checkpoint_stands_for_a_pre_training(study_file, tmp_path, capsys):
    path, runs = study_file(), tmp_path / "study/runs"
    main(["study", "run", str(path), "--index", "0"])
    checkpoint = str(next(runs.glob("pretrain-*")) / "checkpoints/best.ckpt")
    given = {"poisson": {"datasets": ["poisson_1_5"], "checkpoint": checkpoint}}
    zero_shot = {"datasets": ["poisson_5_10"], "inits": ["zero_shot"], "pretrainings": ["poisson"]}
    changes = {"pretrainings": given, "grids": [zero_shot], "output": str(tmp_path / "other")}
    main(["study", "run", str(study_file(**changes))])
    assert [p.name[:9] for p in (tmp_path / "other/runs").iterdir()] == ["zero_shot"]
    wider = {**changes, "models": {"tiny": {"num_channels": 6, "num_modes": 4}}}
    message = rejection("plan", study_file(**wider), capsys)
    assert "model tiny wants network.lifting.weight (6,), the checkpoint has (4,)" in message
    deeper = {**changes, "models": {"tiny": {"num_channels": 4, "num_modes": 4, "num_blocks": 5}}}
    message = rejection("plan", study_file(**deeper), capsys)
    assert "model tiny wants network.blocks.4.spectral.weight" in message
    other = {**changes, "recipes": {"paper": {"model": {"normalization": "dimensionless"}}}}
    message = rejection("plan", study_file(**other), capsys)
    assert "its normalization is paper, recipe paper wants dimensionless; use the recipe" in message
    absent = {"poisson": {"datasets": ["poisson_9_9"], "checkpoint": checkpoint}}
    message = rejection("plan", study_file(**{**changes, "pretrainings": absent}), capsys)
    assert "poisson_9_9 does not exist" in message
    swapped = {"poisson": {"datasets": ["helmholtz_1_10", "poisson_1_5"], "checkpoint": checkpoint}}
    message = rejection("plan", study_file(**{**changes, "pretrainings": swapped}), capsys)
    assert "a test on these data also has ['omega']" in message


def test_another_configuration_of_a_run_that_is_there_is_rejected(study_file, capsys):
    path = study_file(
        grids=[{"datasets": ["poisson_5_10"], "inits": ["zero_shot"], "pretrainings": ["poisson"]}]
    )
    main(["study", "run", str(path)])
    changed = yaml.safe_load(path.read_text())
    changed["pretrain"]["min_steps"] = 8
    path.write_text(yaml.safe_dump(changed))
    assert "holds a run with another configuration" in rejection("run", path, capsys)


def test_a_study_that_is_asked_to_stop_saves_and_goes_on(study_file, tmp_path):
    path = study_file(pretrain={"min_steps": 400, "num_validations": 1, "trainer": TRAINER})
    folder = tmp_path / "study/runs/pretrain-poisson-tiny-paper-s0"
    command = [sys.executable, "-m", "lightning_sciml.cli", "study", "run", str(path)]
    process = subprocess.Popen([*command, "--index=0"])
    give_up_at = time.monotonic() + 60
    while not (folder / "config.yaml").exists():
        assert time.monotonic() < give_up_at
        time.sleep(0.05)
    time.sleep(0.5)
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(timeout=60) == 75
    assert not (folder / "result.json").exists()
    main(["study", "run", str(path), "--index", "0"])
    assert (folder / "result.json").exists()
    assert (folder / "log.txt").read_text().count("=== start of") == 2
