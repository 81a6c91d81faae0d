"""A folder is checked for locks, space, and the time that a checkpoint takes."""

import errno
import fcntl

import pytest

from lightning_sciml.cli.main import main
from lightning_sciml.doctor import storage
from lightning_sciml.doctor.finding import Verdict
from lightning_sciml.doctor.storage import (
    check_locking,
    check_requeue_clock,
    check_run_locking,
    storage_findings,
)
from lightning_sciml.launcher import Launch


def test_a_checkpoint_must_be_written_between_signal_and_end():
    """180 s, of which SLURM may take 60: 120 s at 100 MB/s are 12 GB."""
    assert check_requeue_clock(100e6, 11.9, 180).verdict == Verdict.GOOD
    late = check_requeue_clock(100e6, 12.1, 180)
    assert late.verdict == Verdict.BAD
    assert "--signal=B:USR1@362" in late.remedy


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


def test_a_folder_that_is_not_there_is_bad(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["doctor", "--folder", "/nowhere"])
    assert stop.value.code == 1
    assert "/nowhere: No such file or directory" in capsys.readouterr().out


def test_a_disk_that_fills_up_is_a_finding(tmp_path, monkeypatch, capsys):
    def full(folder):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(storage, "measure_write_speed", full)
    with pytest.raises(SystemExit) as stop:
        main(["doctor", "--folder", str(tmp_path)])
    assert stop.value.code == 1
    assert "failed: No space left on device" in capsys.readouterr().out
