"""Processes of a study stop on request and end with the one that started them."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_study import TRAINER, execute, in_background, option

from lightning_sciml.study.execution.plan import checked_plan
from lightning_sciml.study.execution.run_files import State, state_of


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
