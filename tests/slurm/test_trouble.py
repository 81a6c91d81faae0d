"""Whatever a cluster does to a job, it ends with the bits of an undisturbed run."""

import os
import signal
import time

import pytest
from cluster import NUM_EPOCHS, STEPS_PER_EPOCH, Cluster
from faults import REACHED, wait_for

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(600)]
PRETRAIN = "slurm/pretrain.sbatch"


def test_time_limit_at_every_kind_of_moment(cluster: Cluster, make_run, undisturbed):
    """Before the first step, twice in mid-epoch, during validation, amid a checkpoint."""
    run = make_run(
        "time_limit",
        {"restart": 0, "point": "start", "action": "time_limit"},
        {"restart": 1, "point": "step", "action": "time_limit_twice", "step": 2},
        {"restart": 2, "point": "validation", "action": "time_limit", "step": 5},
        {"restart": 3, "point": "save", "action": "time_limit", "step": 8},
    )
    job = cluster.submit(PRETRAIN, run.config)
    log = cluster.finished(job)
    assert cluster.field(job, "Restarts") == "4"
    assert "stopped at step 0; queued again (restart 1)" in log
    assert "stopped at step 5; queued again (restart 3)" in log
    run.assert_same_as(undisturbed)
    for name in ("train/loss", "val/relative_l2"):
        assert run.curve(name) == undisturbed.curve(name)
    assert len(run.curve("train/loss")) == NUM_EPOCHS * STEPS_PER_EPOCH


def test_processes_killed_or_frozen_and_a_node_lost(cluster: Cluster, make_run, undisturbed):
    run = make_run(
        "lost",
        {"restart": 0, "point": "step", "action": "kill", "step": 4, "rank": 1},
        {"restart": 1, "point": "save", "action": "kill", "step": 9},
        {"restart": 2, "point": "step", "action": "freeze", "step": 10, "rank": 1},
        {"restart": 3, "point": "step", "action": "wait", "step": 14, "step_s": 1},
    )
    job = cluster.submit(PRETRAIN, run.config)
    wait_for_restart(cluster, job, 3)
    assert run.checkpoint()["global_step"] == 9
    wait_for(run.folder / REACHED)
    for process in cluster.processes_of_node("n2"):
        os.kill(process, signal.SIGKILL)
    cluster.wait(job, "PENDING")
    assert cluster.devcluster("up").returncode == 0
    log = cluster.finished(job)
    assert "with a checkpoint to resume from; queued again (restart 1)" in log
    run.assert_same_as(undisturbed)
    assert set(run.curve("train/loss")) == set(undisturbed.curve("train/loss"))


def wait_for_restart(cluster: Cluster, job: str, number: int) -> None:
    while int(cluster.field(job, "Restarts")) < number:
        cluster.wait(job, "RUNNING")
        time.sleep(0.2)
    cluster.wait(job, "RUNNING")


def test_cancelled_it_ends_at_once_and_the_same_line_goes_on(
    cluster: Cluster, make_run, undisturbed
):
    run = make_run(
        "cancelled", {"restart": 0, "point": "step", "action": "wait", "step": 7, "step_s": 0.3}
    )
    job = cluster.submit(PRETRAIN, run.config)
    cluster.wait(job, "RUNNING")
    wait_for(run.folder / REACHED)
    cluster.run("scancel", job)
    assert cluster.wait(job, timeout_s=60) == "CANCELLED"
    assert 6 <= run.checkpoint()["global_step"] < NUM_EPOCHS * STEPS_PER_EPOCH
    cluster.finished(cluster.submit(PRETRAIN, run.config))
    run.assert_same_as(undisturbed)


def test_preempted_by_a_job_of_more_weight_it_goes_on_afterwards(
    cluster: Cluster, make_run, undisturbed
):
    run = make_run(
        "preempted", {"restart": 0, "point": "step", "action": "wait", "step": 7, "step_s": 0.5}
    )
    job = cluster.submit(PRETRAIN, run.config)
    cluster.wait(job, "RUNNING")
    wait_for(run.folder / REACHED)
    urgent = cluster.submit("--partition=urgent", "--exclusive", "--wrap=sleep 1")
    cluster.finished(urgent)
    log = cluster.finished(job)
    assert "queued again (restart 1)" in log
    run.assert_same_as(undisturbed)
    assert run.curve("train/loss") == undisturbed.curve("train/loss")


def test_of_an_array_only_the_task_that_was_stopped_is_queued_again(
    cluster: Cluster, make_run, undisturbed
):
    run = make_run("array", {"restart": 0, "point": "step", "action": "time_limit", "step": 2})
    folder = f"{run.folder}-$SLURM_ARRAY_TASK_ID"
    line = f"source {PRETRAIN} {run.config} --run_dir {folder}"
    script = f"#!/bin/bash\n[ $SLURM_ARRAY_TASK_ID = 0 ] || exec sleep 1\n{line}\n"
    path = run.config.with_suffix(".sbatch")
    path.write_text(script)
    job = cluster.submit("--array=0-2", "--ntasks-per-node=1", path)
    give_up_at = time.monotonic() + 240
    while cluster.run("squeue", "--noheader", "--job", job):
        assert time.monotonic() < give_up_at
        time.sleep(0.5)
    assert [cluster.field(f"{job}_{task}", "Restarts") for task in range(3)] == ["1", "0", "0"]
    assert cluster.field(f"{job}_0", "JobState") == "COMPLETED"
    run.folder = run.folder.with_name(f"{run.folder.name}-0")
    run.assert_same_as(undisturbed)


@pytest.mark.slow
def test_a_time_limit_that_slurm_itself_enforces(cluster: Cluster, make_run, undisturbed):
    """One minute, SLURM's shortest; steps so slow that it ends amid the run."""
    run = make_run("minute", {"restart": 0, "point": "step", "action": "wait", "step_s": 4})
    job = cluster.submit("--time=1", "--signal=B:USR1@20", PRETRAIN, run.config)
    log = cluster.finished(job)
    assert "pretrain: stopped at step" in log
    run.assert_same_as(undisturbed)
    assert run.curve("train/loss") == undisturbed.curve("train/loss")
