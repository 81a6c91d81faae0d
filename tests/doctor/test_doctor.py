"""The doctor names what would break, and says so by its exit code."""

import os
import subprocess
import sysconfig
from pathlib import Path

import pytest

from lightning_sciml.cli.main import main
from lightning_sciml.doctor import software, storage
from lightning_sciml.doctor.examination import local_findings
from lightning_sciml.doctor.finding import Finding, Verdict, merged, table
from lightning_sciml.launcher import Launch

SCRIPTS = Path(sysconfig.get_path("scripts"))


def test_findings_are_said_once_unless_ranks_differ():
    torch, other = Finding("torch", "2.8"), Finding("torch", "2.7", Verdict.BAD, "install 2.8")
    disk = Finding("disk", "1 GB/s")
    assert merged([[torch, disk], [torch]]) == [torch, disk]
    said = table(merged([[torch], [other], [torch]]))
    assert said == "torch  2.8 (rank 0, 2)  good\ntorch  2.7 (rank 1)     bad\n       → install 2.8"


def test_versions_that_differ_between_ranks_are_bad():
    old, new = (Finding("HDF5", version, must_agree=True) for version in ("1.14", "2.0"))
    assert merged([[old], [old]]) == [old]
    assert [f.verdict for f in merged([[old], [new], [old]])] == [Verdict.BAD, Verdict.BAD]


def test_processes_of_a_launcher_have_a_gpu_each_and_none_are_counted_without(monkeypatch):
    monkeypatch.setattr(software, "driver_version", lambda: "580.1")
    monkeypatch.setattr(software.torch.cuda, "device_count", lambda: 4)
    verdicts = [
        next(f.verdict for f in local_findings(here) if f.subject == "GPUs")
        for here in (
            Launch(launcher="none"),
            Launch(launcher="srun", size=4),
            Launch(launcher="srun", size=1),
        )
    ]
    assert verdicts == [Verdict.GOOD, Verdict.GOOD, Verdict.BAD]


def test_processes_that_know_no_place_to_meet_are_told_so():
    """Started by an mpirun that is not of mpi4py's library, outside SLURM, with a poor terminal."""
    names = ("SIZE", "RANK", "LOCAL_RANK", "LOCAL_SIZE")
    variables = {f"OMPI_COMM_WORLD_{n}": v for n, v in zip(names, "2002", strict=True)}
    result = subprocess.run(
        [SCRIPTS / "sciml", "doctor"],
        env=os.environ | variables | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert result.returncode == 1, result.stderr
    assert "1 of 2 processes connected" in result.stdout
    assert "neither MPI nor SLURM knows where processes meet" in result.stdout


def test_a_meeting_place_that_slurm_cannot_tell_is_a_finding(tmp_path):
    scontrol = tmp_path / "scontrol"
    scontrol.write_text("#!/bin/sh\nexit 1\n")
    scontrol.chmod(0o755)
    slurm = {"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"}
    slurm |= {"SLURM_STEP_NUM_NODES": "2", "SLURM_JOB_NODELIST": "n[1-2]", "SLURM_JOB_ID": "7"}
    result = subprocess.run(
        [SCRIPTS / "sciml", "doctor", "--folder", tmp_path],
        env=os.environ | slurm | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert result.returncode == 1
    assert "all-reduce    Command '['scontrol'" in result.stdout
    assert "Traceback" not in result.stderr


@pytest.mark.mpi
def test_under_mpirun_it_sees_all_ranks(tmp_path):
    result = subprocess.run(
        [SCRIPTS / "mpirun", "-n", "2", SCRIPTS / "sciml", "doctor", "--folder", tmp_path],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "2 of 2 processes connected" in result.stdout
    assert "gloo over 2 processes" in result.stdout
    assert "bad" not in result.stdout.split()


TWO_TASKS = {"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "0", "SLURM_JOB_NODELIST": "n1"}
TORCHRUN = {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "1", "RANK": "0"}
ODD = [
    ({"PATH": ""}, 0, "MPI"),
    ({"PATH": "FOLDER"}, 1, "GPUs          [Errno 8] Exec format error"),
    ({"HOME": None, "TMPDIR": "/nowhere"}, 0, "MPI"),
    ({"SLURM_STEP_NUM_TASKS": ""}, 1, "launcher      the environment has SLURM_STEP_NUM_TASKS=''"),
    ({"SLURM_STEP_NUM_TASKS": "1", "SLURM_STEP_NUM_NODES": "0"}, 1, "SLURM_STEP_NUM_NODES='0'"),
    (TWO_TASKS, 1, "all-reduce    the environment has SLURM_JOB_ID=''"),
    (TWO_TASKS | {"SLURM_JOB_ID": "7", "PATH": ""}, 1, "all-reduce    [Errno 2] No such file"),
    (
        TWO_TASKS | {"SLURM_JOB_ID": "7", "PATH": "FOLDER"},
        1,
        "all-reduce    `scontrol show hostnames n1` says nothing",
    ),
    ({"TORCHELASTIC_RUN_ID": "x"}, 1, "launcher      the environment has WORLD_SIZE=''"),
    (TORCHRUN | {"RANK": "5"}, 1, "RANK=5 of WORLD_SIZE=1"),
    (TORCHRUN | {"MASTER_ADDR": "nowhere.invalid", "MASTER_PORT": "29500"}, 0, "all-reduce"),
    (
        TORCHRUN | {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "x"},
        1,
        "all-reduce    invalid literal for int",
    ),
]


@pytest.mark.parametrize(("variables", "exit_code", "line"), ODD)
def test_an_odd_environment_ends_with_findings(
    tmp_path, monkeypatch, capsys, variables, exit_code, line
):
    """Half of a launcher's variables, no programs, or programs that do not work."""
    (tmp_path / "nvidia-smi").write_text("no program")
    (tmp_path / "scontrol").write_text("#!/bin/sh\n")
    for program in ("nvidia-smi", "scontrol"):
        (tmp_path / program).chmod(0o755)
    monkeypatch.setattr(storage, "measure_write_speed", lambda _: 1e9)
    for name, value in variables.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value.replace("FOLDER", str(tmp_path)))
    with pytest.raises(SystemExit) as stop:
        main(["doctor", "--folder", str(tmp_path)])
    assert stop.value.code == exit_code
    assert line in capsys.readouterr().out
