"""The doctor names what would break, and says so by its exit code."""

import errno
import fcntl
import os
import socket
import subprocess
import sysconfig
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace

import pytest

from lightning_sciml.cli.main import main
from lightning_sciml.doctor import software
from lightning_sciml.doctor.examination import local_findings, storage_findings
from lightning_sciml.doctor.finding import Finding, Verdict, merged, table
from lightning_sciml.doctor.processes import check_launch, check_mpi, meeting_place
from lightning_sciml.doctor.storage import check_locking, check_requeue_clock, check_run_locking
from lightning_sciml.launcher import Launch

SCRIPTS = Path(sysconfig.get_path("scripts"))


def test_processes_that_mpi_does_not_connect_are_bad():
    here = Launch(launcher="srun", size=8)
    assert check_mpi(here, SimpleNamespace(size=8)).verdict == Verdict.GOOD
    alone = check_mpi(here, SimpleNamespace(size=1))
    assert alone.verdict == Verdict.BAD
    assert "1 of 8 processes connected" in alone.found
    assert "SCIML_MPI" in alone.remedy


def test_a_checkpoint_must_be_written_between_signal_and_end():
    """180 s, of which SLURM may take 60: 120 s at 100 MB/s are 12 GB."""
    assert check_requeue_clock(100e6, 11.9, 180).verdict == Verdict.GOOD
    late = check_requeue_clock(100e6, 12.1, 180)
    assert late.verdict == Verdict.BAD
    assert "--signal=B:USR1@362" in late.remedy


def test_findings_are_said_once_unless_ranks_differ():
    torch, other = Finding("torch", "2.8"), Finding("torch", "2.7", Verdict.BAD, "install 2.8")
    disk = Finding("disk", "1 GB/s")
    assert merged([[torch, disk], [torch]]) == [torch, disk]
    said = table(merged([[torch], [other], [torch]]))
    assert said == "torch  2.8 (rank 0, 2)  good\ntorch  2.7 (rank 1)     bad\n       → install 2.8"


@pytest.mark.parametrize("check", [check_locking, check_run_locking])
def test_locking_works_here(tmp_path, check):
    assert check(tmp_path).verdict == Verdict.GOOD
    assert not list(tmp_path.iterdir())


def rejected(*_):
    raise OSError(errno.ENOLCK, "No locks available")


@pytest.mark.parametrize(
    ("flock", "found"),
    [(rejected, "No locks available"), (lambda *_: None, "excludes no second process")],
)
def test_a_folder_where_a_study_runs_without_locks_is_warned_of(
    tmp_path, monkeypatch, flock, found
):
    monkeypatch.setattr(fcntl, "flock", flock)
    here = Launch(launcher="srun", size=2, rank=1)
    findings = storage_findings(here, folder=tmp_path, checkpoint_gb=1, signal_s=1)
    finding = next(f for f in findings if f.subject == "run locking")
    assert finding.verdict == Verdict.WARNING
    assert found in finding.found
    assert "start it once at a time" in finding.remedy


def test_versions_that_differ_between_ranks_are_bad():
    old, new = (Finding("HDF5", version, must_agree=True) for version in ("1.14", "2.0"))
    assert merged([[old], [old]]) == [old]
    assert [f.verdict for f in merged([[old], [new], [old]])] == [Verdict.BAD, Verdict.BAD]


def test_nodes_with_unequal_numbers_of_processes_are_warned_of():
    assert check_launch(Launch(launcher="srun", size=4, num_nodes=2)).verdict == Verdict.GOOD
    uneven = check_launch(Launch(launcher="srun", size=3, num_nodes=2))
    assert uneven.verdict == Verdict.WARNING
    assert "--ntasks-per-node" in uneven.remedy


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


def test_a_folder_that_is_not_there_is_bad(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["doctor", "--folder", "/nowhere"])
    assert stop.value.code == 1
    assert "/nowhere: No such file or directory" in capsys.readouterr().out


def test_processes_that_know_no_place_to_meet_are_told_so():
    """Started by an mpirun that is not of mpi4py's library, outside SLURM."""
    names = ("SIZE", "RANK", "LOCAL_RANK", "LOCAL_SIZE")
    variables = {f"OMPI_COMM_WORLD_{n}": v for n, v in zip(names, "2002", strict=True)}
    result = subprocess.run(
        [SCRIPTS / "sciml", "doctor"],
        env=os.environ | variables,
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


@pytest.fixture
def without_given_place(monkeypatch):
    monkeypatch.delenv("MASTER_ADDR", raising=False)


def world(rank, said=None):
    """Two ranks; `said` is what rank 0 tells the others."""
    return SimpleNamespace(size=2, rank=rank, bcast=lambda mine: mine if rank == 0 else said)


def unknown(_):
    raise socket.gaierror(-2, "Name or service not known")


def loopback(_):
    return "127.0.1.1"


@pytest.mark.parametrize("resolved", [unknown, loopback])
def test_a_host_of_no_address_by_name_is_met_on_its_way_out(
    without_given_place, monkeypatch, resolved
):
    monkeypatch.setattr(socket, "gethostbyname", resolved)
    monkeypatch.setattr(socket, "socket", Outside)
    here = Launch(launcher="mpirun", size=2, num_nodes=2)
    assert meeting_place(here, world(rank=0)) == ("10.1.2.3", 4242)


class Outside(socket.socket):
    """Of a host whose way out begins at 10.1.2.3, wherever it is really."""

    def connect(self, address):
        assert not ip_address(address[0]).is_global

    def getsockname(self):
        return "10.1.2.3", 4242


def test_ranks_learn_from_rank_0_where_to_meet_or_why_not(without_given_place, monkeypatch):
    monkeypatch.setattr(socket, "gethostbyname", unknown)
    here = Launch(launcher="mpirun", size=2, rank=1, num_nodes=2)
    assert meeting_place(here, world(1, ("10.1.2.3", 4242))) == ("10.1.2.3", 4242)
    with pytest.raises(OSError, match="knows no address"):
        meeting_place(here, world(1, OSError("n1 knows no address")))


def test_ranks_of_one_node_need_no_network(without_given_place, monkeypatch):
    monkeypatch.setattr(socket, "gethostbyname", unknown)
    here = Launch(launcher="mpirun", size=2)
    assert meeting_place(here, world(rank=0))[0] == "127.0.0.1"


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


def test_a_disk_that_fills_up_is_a_finding(tmp_path, monkeypatch, capsys):
    def full(folder):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("lightning_sciml.doctor.examination.measure_write_speed", full)
    with pytest.raises(SystemExit) as stop:
        main(["doctor", "--folder", str(tmp_path)])
    assert stop.value.code == 1
    assert "failed: No space left on device" in capsys.readouterr().out
