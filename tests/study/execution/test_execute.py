"""Processes of a study: they wait for each other, stop on request, and end with their parent."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from small_study import TRAINER, grid

from lightning_sciml.cli.main import main
from lightning_sciml.folder_lock import FolderLock
from lightning_sciml.run_folder import RunFolder
from lightning_sciml.study.definition.runs import Init
from lightning_sciml.study.execution.execute import Executor
from lightning_sciml.study.execution.plan import checked_plan
from lightning_sciml.study.execution.run_files import State, state_of


def option(words, name):
    return words[words.index(name) + 1]


def pretended(words):
    """What `sciml fit` and `sciml test` leave behind, without training."""
    config = yaml.safe_load(Path(option(words, "--config")).read_text())
    folder = Path(config["run_dir"])
    if words[0] == "fit":
        steps = config["trainer"]["max_steps"]
        summary = {"num_steps": steps, "num_parameters": 7, "elapsed_s": 1.0}
        (folder / "summary.json").write_text(json.dumps(summary))
        (folder / "checkpoints").mkdir(exist_ok=True)
        (folder / "checkpoints/best.ckpt").touch()
        return
    (folder / "test").mkdir(exist_ok=True)
    for dataset in config["data"]["datasets"]:
        report = {"relative_l2": {"mean": 0.5}}
        (folder / f"test/{Path(dataset).name}.json").write_text(json.dumps(report))


def execute(path, verb=pretended, jobs=2, say=lambda _: None):
    study, runs, datasets = checked_plan(path)
    return Executor(study, datasets, verb=verb, jobs=jobs, say=say).execute(runs)


def in_background(function, *arguments):
    process = multiprocessing.get_context("fork").Process(target=function, args=arguments)
    process.start()
    return process


def wait_until(is_so, timeout_s=120):
    give_up_at = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < give_up_at
        time.sleep(0.05)


def is_alive(pid):
    """Whether a process, which nobody may have waited for, still does anything."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_two_studies_at_once_both_end_with_all_runs_finished(study_file, tmp_path):
    path = study_file(**grid(num_samples=[8, 16], seeds=[0], subset_draws=[0]))
    log = tmp_path / "fits"

    def slow(words):
        time.sleep(0.2)
        if words[0] == "fit":
            with log.open("a") as file:
                file.write(option(words, "--config") + "\n")
        pretended(words)

    def study(number):
        outcome = execute(path, slow)
        assert not outcome.failed
        assert not outcome.left
        (tmp_path / f"finished{number}").write_text(str(len(outcome.finished)))

    both = [in_background(study, number) for number in (0, 1)]
    for process in both:
        process.join(60)
        assert process.exitcode == 0
    num_runs = str(len(checked_plan(path)[1]))
    assert [(tmp_path / f"finished{n}").read_text() for n in (0, 1)] == [num_runs] * 2
    fits = log.read_text().splitlines()
    assert len(fits) == len(set(fits)) > 4  # none was trained twice


def test_a_run_that_another_process_holds_is_waited_for(study_file):
    path = study_file()
    study, runs, datasets = checked_plan(path)
    folder = study.run_dir(runs[0])
    folder.mkdir(parents=True)
    lock = FolderLock(folder)
    assert lock.acquire()
    said = []

    def say(line):
        said.append(line)
        if "another process is at it" in line:
            lock.release()  # it has died without a result

    outcome = Executor(study, datasets, verb=pretended, jobs=1, say=say).execute(runs)
    assert len(outcome.finished) == len(runs)
    assert said[0].startswith(f"{runs[0].name} waits for {folder.name}: another process")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[1]",
        b'{"run": 3}',
        b'{"run": "x", "tests": ',
        b"[" * 200_000,
        b"\xff\xfe",
        "edit: tests",
        "edit: run",
        "edit: fit_elapsed_s",
    ],
    ids=lambda content: repr(content[:20]),
)
def test_a_damaged_result_is_said_and_the_run_done_again(study_file, capsys, content):
    path = study_file()
    assert len(execute(path).finished) == 4
    study, runs, _ = checked_plan(path)
    run = runs[1]
    result = RunFolder(study.run_dir(run)).result
    if isinstance(content, str):
        edits = {"tests": {"elsewhere": {"relative_l2": 0.1}}, "run": "other", "fit_elapsed_s": -1}
        name = content.removeprefix("edit: ")
        content = json.dumps(json.loads(result.read_text()) | {name: edits[name]}).encode()
    result.write_bytes(content)
    assert state_of(study, run) == State.DAMAGED
    main(["study", "plan", str(path)])
    main(["study", "status", str(path)])
    if not content:  # figures take their time
        main(["study", "report", str(path)])
        page = (study.output / "report/report.html").read_text()
        assert "3 of 4 runs are finished" in page
        assert f"{result} is damaged" in page
    out = capsys.readouterr().out
    assert "3 finished  0 failed  0 started  0 waiting  1 damaged" in out
    assert f"{result} " in out
    said = []
    assert len(execute(path, say=said.append).finished) == 4
    assert said[0].startswith(f"{result} ")
    assert said[0].endswith("sciml study run does this run again")
    assert state_of(study, run) == State.FINISHED


@pytest.mark.parametrize("name", ["error.json", "summary.json", "test"])
def test_other_damaged_files_of_a_run_are_no_traceback(study_file, capsys, name):
    path = study_file()

    def failing(words):
        pretended(words)
        if words[0] == "test":
            raise ValueError("for a test")

    assert len(execute(path, failing).failed) == 2  # the others wait for the pre-training
    study, runs, _ = checked_plan(path)
    folder = study.run_dir(runs[0])
    damaged = next((folder / "test").glob("*.json")) if name == "test" else folder / name
    damaged.write_bytes(b'{"message": 3}')
    main(["study", "status", str(path)])
    assert "2 failed" in capsys.readouterr().out
    if name == "error.json":
        main(["study", "status", str(path)])
        assert f"{damaged} is damaged or was edited" in capsys.readouterr().out
    assert len(execute(path).finished) == 4


@pytest.mark.parametrize(
    "content",
    [b"", b"null", b"[1]", b"a: [", b"[" * 5000, b"!!python/x y"],
    ids=lambda content: repr(content[:20]),
)
def test_a_damaged_run_yaml_is_a_fault_of_the_plan(study_file, capsys, content):
    path = study_file()
    execute(path)
    study, runs, _ = checked_plan(path)
    saved = study.run_dir(runs[0]) / "run.yaml"
    saved.write_bytes(content)
    with pytest.raises(SystemExit) as stop:
        main(["study", "plan", str(path)])
    assert stop.value.code == 2
    assert f"{saved} is damaged or was edited" in capsys.readouterr().err


def test_an_error_that_is_no_number_is_null_and_never_chosen(study_file):
    """A training whose validation is not finite is not preferred over one that is."""
    path = study_file(**grid(inits=["scratch"], num_samples=[8], seeds=[0], subset_draws=[0]))

    def diverging(words):
        pretended(words)
        folder = Path(option(words, "--config")).parent
        is_worse = "lr0.001" in folder.name
        summary = json.loads((folder / "summary.json").read_text())
        summary["best_val_relative_l2"] = None if is_worse else 0.9
        (folder / "summary.json").write_text(json.dumps(summary))
        for report in (folder / "test").glob("*.json"):
            report.write_text(json.dumps({"relative_l2": {"mean": None if is_worse else 0.4}}))

    execute(path, diverging)
    study, runs, _ = checked_plan(path)
    first, second = (json.loads((RunFolder(study.run_dir(run)).result).read_text()) for run in runs)
    assert first["tests"]["poisson_5_10"]["relative_l2"] is None
    assert second["tests"]["poisson_5_10"] == {"relative_l2": 0.4}
    main(["study", "report", str(path)])
    table = (study.output / "report/results.csv").read_text()
    assert "nan" not in table
    page = (study.output / "report/report.html").read_text()
    assert f"no finite error: {runs[0].name}" in page


def sleeping(words):
    """A run that takes long, with a process of its own, as Lightning starts one for each rank."""
    folder = Path(option(words, "--config")).parent
    helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (folder / "pids").write_text(f"{os.getpid()} {helper.pid}")
    time.sleep(600)


def started(path):
    """The pids of a study of one run that sleeps."""
    study, runs, _ = checked_plan(path)
    file = study.run_dir(runs[0]) / "pids"
    wait_until(lambda: file.exists() and len(file.read_text().split()) == 2)
    return [int(pid) for pid in file.read_text().split()]


def test_runs_and_their_processes_end_with_a_study_that_is_killed(study_file):
    path = study_file()
    study = in_background(execute, path, sleeping, 1)
    pids = started(path)
    os.kill(study.pid, signal.SIGKILL)
    study.join()
    wait_until(lambda: not any(map(is_alive, pids)))


def test_what_a_killed_run_has_started_ends_as_well(study_file):
    path = study_file()
    said = multiprocessing.get_context("fork").SimpleQueue()
    study = in_background(execute, path, sleeping, 1, said.put)
    child, helper = started(path)
    os.kill(child, signal.SIGKILL)
    wait_until(lambda: not is_alive(helper))
    os.kill(study.pid, signal.SIGTERM)  # it now works on the run from scratch
    study.join(60)
    assert "killed by SIGKILL" in [said.get() for _ in range(2)][1]


@pytest.mark.parametrize("is_deaf", [False, True])
def test_ctrl_c_says_what_happens_and_a_second_one_ends_all(study_file, is_deaf):
    path = study_file()
    said = multiprocessing.get_context("fork").SimpleQueue()

    def deaf(words):
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        sleeping(words)

    study = in_background(execute, path, deaf if is_deaf else sleeping, 1, said.put)
    pids = started(path)
    assert said.get().startswith("$ sciml fit")
    os.kill(study.pid, signal.SIGINT)
    assert said.get().startswith("stopping: ")
    if is_deaf:
        assert all(map(is_alive, pids))
        os.kill(study.pid, signal.SIGINT)
    study.join(60)
    assert study.exitcode == 0  # of `execute`
    wait_until(lambda: not any(map(is_alive, pids)))
    study_, runs, _ = checked_plan(path)
    assert state_of(study_, runs[0]) == State.STARTED  # no error: the next command resumes


def test_a_training_on_two_processes_saves_when_its_study_is_killed(study_file, tmp_path):
    trainer = {**TRAINER, "devices": 2, "strategy": "ddp"}
    pretrain = {"min_steps": 100_000, "num_validations": 10_000, "trainer": trainer}
    pretrain["model"] = {"compile": False}  # which takes longer than the test
    path = study_file(pretrain=pretrain)
    folder = tmp_path / "study/runs/pretrain-poisson-tiny-paper-s0"
    command = [sys.executable, "-m", "lightning_sciml.cli", "study", "run", str(path), "--index=0"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as study:
        try:
            wait_until((folder / "checkpoints/best.ckpt").exists)  # it was validated in step 10
            group = processes_of(folder)
        finally:
            study.kill()
    assert len(group) == 2
    wait_until(lambda: not any(map(is_alive, group)))
    assert (folder / "checkpoints/last.ckpt").exists()
    assert (folder / "PREEMPTED").exists()


def test_a_rank_ends_after_the_one_that_started_it(tmp_path):
    """Where the first rank is killed, others would wait for it until their time is out."""
    rank = (
        "import time; from lightning_sciml.study.execution import lifeline; "
        "lifeline.RANK_GRACE_S = 0.1; lifeline.follow_first_rank({'LOCAL_RANK': '1'}); "
        "print(flush=True); time.sleep(600)"
    )
    first = (
        "import subprocess, sys, time; "
        f"p = subprocess.Popen([sys.executable, '-c', {rank!r}], stdout=subprocess.PIPE); "
        "p.stdout.readline(); print(p.pid, flush=True); time.sleep(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", first], stdout=subprocess.PIPE, text=True)
    with process:
        pid = int(process.stdout.readline())
        assert is_alive(pid)
        process.kill()
    wait_until(lambda: not is_alive(pid))


def processes_of(folder):
    """Processes whose output goes to the log of a run."""
    found = []
    for link in Path("/proc").glob("[0-9]*/fd/1"):
        try:
            if link.readlink() == folder / "log.txt":
                found.append(int(link.parts[2]))
        except OSError:  # it has ended, or is not ours
            continue
    return found


def test_a_folder_that_cannot_be_written_is_one_line(study_file, capfd):
    path = study_file()
    study, runs, _ = checked_plan(path)
    study.run_dir(runs[0]).parent.mkdir(parents=True)
    study.run_dir(runs[0]).touch()
    outcome = execute(path)
    assert [r for r in outcome.finished if r.init != Init.PRETRAIN]
    assert runs[0] in outcome.left
    assert f"{runs[0].name} failed: File exists" in capfd.readouterr().err
