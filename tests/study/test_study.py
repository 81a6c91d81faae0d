"""`sciml study` as a user types it: plans, runs, resumes after trouble, reports."""

import csv
import errno
import fcntl
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time

import pytest
import yaml
from small_study import TRAINER, grid, rejection

from lightning_sciml.cli.main import main


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


def test_the_plan_without_the_repository_names_no_script_of_it(
    study_file, tmp_path, monkeypatch, capsys
):
    path = study_file()
    monkeypatch.chdir(tmp_path)
    main(["study", "plan", str(path)])
    first, second = capsys.readouterr().out.splitlines()[-2:]
    words = shlex.split(second)
    assert words[:3] == ["sbatch", "--dependency=afterok:$job", "--array=0-2"]
    fake = f"sciml() {{ echo sciml $*; }}; {words[-1].removeprefix('exec ')}"
    environment = {**os.environ, "SLURM_ARRAY_TASK_ID": "2"}
    shown = subprocess.run(["sh", "-c", fake], env=environment, capture_output=True, text=True)
    assert shown.stdout == f"sciml study run {path} --index 3\n"
    assert "slurm/study.sbatch" not in first


def test_invalid_commands_are_rejected(study_file, tmp_path, capsys):
    path = study_file()
    assert "jobs must be at least 1, got 0" in rejection("run", path, capsys, "--jobs=0")
    assert "index must lie in 0 … 3, got 4" in rejection("run", path, capsys, "--index=4")
    assert "num_ranks must be at least 1" in rejection("generate", path, capsys, "--num_ranks=0")
    other = study_file(models={"tiny": {"class_path": "nowhere.Network"}})
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


def test_a_study_runs_resumes_after_trouble_and_reports(study_file, tmp_path, capsys):
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


def test_a_study_runs_on_a_file_system_without_locks(study_file, tmp_path, monkeypatch):
    def flock(*_):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

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
    other = {**changes, "recipes": {"paper": {"model": {"predicts": "increment"}}}}
    message = rejection("plan", study_file(**other), capsys)
    assert "it predicts the state, recipe paper wants predicts=increment; leave it out" in message
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


def test_a_study_that_is_asked_to_stop_saves_and_resumes(study_file, tmp_path):
    path = study_file(pretrain={"min_steps": 200, "num_validations": 1, "trainer": TRAINER})
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


def test_a_study_may_be_restricted_to_some_of_its_data_sets(study_file, capsys):
    """Every command takes them; what these runs start from stays, other data are not asked for."""
    rates = {"inits": ["scratch"], "learning_rates": [1e-3], "num_samples": [8]}
    path = study_file(
        grids=[
            {**rates, "datasets": ["poisson_5_10", "not_made"]},
            {**rates, "datasets": ["not_made"], "seeds": [7]},
            {"datasets": ["poisson_5_10"], "inits": ["zero_shot"], "pretrainings": ["poisson"]},
        ]
    )
    assert "not_made does not exist" in rejection("plan", path, capsys)
    main(["study", "plan", str(path), "--datasets=poisson_5_10"])
    out = capsys.readouterr().out
    assert re.search(r"total +3 runs", out)
    assert f"{path} --datasets '[poisson_5_10]' --first 1" in out
    main(["study", "status", str(path), "--datasets=poisson_5_10"])
    assert "3 waiting" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["study", "run", str(path), "--datasets=poisson_1_5"])
    assert "datasets must be some of poisson_5_10, not_made" in capsys.readouterr().err


@pytest.mark.mpi
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_stops_the_generation_of_a_study_stops_its_ranks(study_file, tmp_path, number):
    """The signal reaches the command alone, as from a batch system or `kill`."""
    darcy = {"datasets": ["darcy_2_8"]}  # takes long and little room
    path = study_file(
        data_dir=str(tmp_path / "data"),
        generate={
            "all": {"num_train_samples": 1024, "num_val_samples": 64, "num_test_samples": 64}
        },
        pretrainings={"darcy": darcy},
        grids=[{**darcy, "pretrainings": ["darcy"], "inits": ["zero_shot"]}],
    )
    words = [sys.executable, "-m", "lightning_sciml.cli", "study", "generate", path]
    process = subprocess.Popen([*words, "--num_ranks=1"], stderr=subprocess.PIPE, text=True)
    lock = tmp_path / "data/darcy_2_8/.lock"
    while not lock.exists():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert "Traceback" not in said
    with lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # nobody writes there
