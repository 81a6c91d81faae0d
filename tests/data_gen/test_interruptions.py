"""Kills, signals, damage and full disks leave whole shards, and the next run completes the set."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from generated_sets import FAMILIES, command, run, shard_bytes, shard_files
from programs import MPIRUN

from data_gen import solve
from data_gen.decomposition import shard_tasks
from data_gen.output_folder import OutputFolder


@pytest.mark.mpi
def test_killed_generation_resumes_and_ends_with_the_same_files(tmp_path):
    _check_kills(tmp_path, num_kills=4, num_points=64, num_train_samples=600)


@pytest.mark.mpi
@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    "options",
    [
        {"num_points": 64, "num_train_samples": 3000},
        {"name": "helmholtz_neumann_1_10", "num_points": 64, "num_train_samples": 2000},
        {"name": "burgers_small", "num_train_samples": 600},
    ],
)
def test_hundred_kills_end_with_the_same_files(tmp_path, options):
    _check_kills(tmp_path, num_kills=100, **options)


def _check_kills(folder, num_kills, **options):
    """SIGKILL mpirun and all ranks at random moments; what is there must be whole at any time."""
    options = {"shard_size": 20, **options}
    started_at = time.monotonic()
    assert run(folder / "undisturbed", num_ranks=3, **options).returncode == 0
    elapsed_s = time.monotonic() - started_at
    expected, output = shard_bytes(folder / "undisturbed"), folder / "killed"
    rng, num_interrupted = np.random.default_rng(0), 0
    for _ in range(num_kills):
        process = subprocess.Popen(
            command(output, num_ranks=3, **options), stderr=subprocess.DEVNULL
        )
        until = time.monotonic() + elapsed_s * rng.uniform(0.4, 0.95)
        num_wanted = len(expected) - rng.integers(1, 6)  # of a run faster than the first one
        while time.monotonic() < until and len(shard_files(output)) < num_wanted:
            time.sleep(0.002)
        _kill_ranks(output)
        num_interrupted += process.wait(timeout=60) != 0
        left = shard_bytes(output)
        assert all(expected[name] == content for name, content in left.items())
        for name in rng.permutation(sorted(left))[: len(left) // 2]:
            (output / name).unlink()  # so that there is work to interrupt
    assert num_interrupted >= num_kills / 4
    finished = run(output, num_ranks=3, **options)
    assert finished.returncode == 0, finished.stderr
    assert shard_bytes(output) == expected
    assert not list(output.rglob("*.tmp"))


@pytest.mark.mpi
@pytest.mark.parametrize("num_ranks", [1, 3])
def test_terminated_generation_leaves_whole_shards_only(tmp_path, num_ranks):
    """SIGTERM, as a batch system sends it, once the first shard is there."""
    output, options = tmp_path / "set", {"num_points": 64, "num_train_samples": 20_000}
    process = subprocess.Popen(
        command(output, num_ranks=num_ranks, **options), stderr=subprocess.PIPE, text=True
    )
    while not shard_files(output):
        assert process.poll() is None
        time.sleep(0.01)
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode != 0
    left = shard_files(output)
    assert 0 < len(left) < 1000
    _, config = solve.parse(command(output, **options)[2:])
    folder = OutputFolder(output, config.plan())
    assert all(
        folder.existing(t) for t in shard_tasks(folder.plan) if folder._path(t) in left.values()
    )


@pytest.mark.mpi
@pytest.mark.parametrize("num_ranks", [1, 2])
def test_interrupt_ends_all_ranks_without_a_traceback(tmp_path, num_ranks):
    """Ctrl-C at a rank while the others wait for it inside MPI."""
    output, options = tmp_path / "set", {"num_points": 512, "num_train_samples": 1024}
    process = subprocess.Popen(
        command(output, num_ranks=num_ranks, shard_size=1024, **options),
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (output / ".lock").exists():
        assert process.poll() is None
        time.sleep(0.01)
    _kill_ranks(output, signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode != 0
    assert "Traceback" not in said
    if num_ranks == 1:
        assert said.splitlines()[-1].startswith("interrupted; run the same command again")


def _kill_ranks(output, number=signal.SIGKILL):
    """Signal every process that was started for this folder: mpirun and its ranks."""
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str(output).encode() in (entry / "cmdline").read_bytes():
                os.kill(int(entry.name), number)
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile


@pytest.mark.parametrize("name", FAMILIES)
def test_damaged_shards_are_made_anew_and_good_ones_kept(undisturbed, tmp_path, name):
    output = shutil.copytree(undisturbed / name, tmp_path / "set")
    kept = (output / "train/00000.h5").stat().st_mtime_ns
    with h5py.File(output / "train/00001.h5", "r+") as file:
        array = file["trajectories" if "trajectories" in file else "fields"]
        array[3, 0, ..., 5, 5] += 1  # the checksum in the header still is the old one
    os.truncate(output / "train/00002.h5", 5000)
    (output / "train/00003.h5").unlink()
    (output / "val/00000.h5").write_text("not HDF5")
    finished = run(output, name)
    assert finished.returncode == 0, finished.stderr
    assert "3 shards are there already and good" in finished.stderr
    assert "trial" not in finished.stderr  # the steps are in the manifest
    assert shard_bytes(output) == shard_bytes(undisturbed / name)
    assert (output / "train/00000.h5").stat().st_mtime_ns == kept


@pytest.mark.mpi
@pytest.mark.parametrize("num_ranks", [1, 3])
def test_failing_rank_stops_all_and_leaves_finished_shards(undisturbed, tmp_path, num_ranks):
    """A folder comes where a file must go: the rank that has to write it fails, late."""
    output = tmp_path / "set"
    obstructed = """
import sys
from data_gen import dataset_generation, output_folder, solve

class Folder(output_folder.OutputFolder):
    def begin(self):
        missing_bytes = super().begin()
        (self.directory / "train/00004.h5").mkdir()
        return missing_bytes

dataset_generation.OutputFolder = Folder
sys.exit(solve.main(sys.argv[1:]))
"""
    launcher = [MPIRUN, "-n", str(num_ranks)] if num_ranks > 1 else []
    program = [*launcher, sys.executable, "-c", obstructed, *command(output)[2:]]
    started_at = time.monotonic()
    finished = subprocess.run(program, capture_output=True, text=True, timeout=120)
    assert finished.returncode != 0
    assert time.monotonic() - started_at < 30
    assert "00004.h5" in finished.stderr
    assert "Traceback" not in finished.stderr
    whole = shard_bytes(undisturbed / "poisson_1_5")
    left = shard_files(output)
    assert left
    assert all(path.read_bytes() == whole[name] for name, path in left.items())


def run_limited(output, max_file_bytes, num_ranks=1, **options):
    """Run where no file may grow larger: as on a full disk, the write fails in the kernel."""
    limited = (
        "import resource, signal, sys; from mpi4py import MPI; from data_gen import solve; "
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({max_file_bytes},) * 2); "
        "sys.exit(solve.main(sys.argv[1:]))"
    )
    program = [sys.executable, "-c", limited, *command(output, **options)[2:]]
    launcher = [MPIRUN, "-n", str(num_ranks)] if num_ranks > 1 else []
    return subprocess.run([*launcher, *program], capture_output=True, text=True, timeout=60)


@pytest.mark.mpi
@pytest.mark.parametrize("name", FAMILIES)
def test_full_disk_stops_with_one_line_and_leaves_no_half_shard(tmp_path, name):
    output = tmp_path / "set"
    finished = run_limited(output, 40_000, name=name)
    assert finished.returncode == 1
    assert finished.stderr.strip().splitlines()[-1].startswith("error: ")
    assert "File too large" in finished.stderr
    assert not shard_files(output)
    assert not list(output.rglob("*.tmp"))


@pytest.mark.mpi
@pytest.mark.parametrize("num_ranks", [1, 2])
def test_manifest_that_cannot_be_written_stops_all_ranks(tmp_path, num_ranks):
    """Many shards of one sample: the manifest, which names them all, is the only large file."""
    options = {"num_train_samples": 200, "num_val_samples": 0, "shard_size": 1}
    finished = run_limited(tmp_path / "set", 30_000, num_ranks, **options)
    assert finished.returncode == 1, finished.stderr
    assert "error: [Errno 27] File too large" in finished.stderr
    assert "Traceback" not in finished.stderr
    assert len(shard_files(tmp_path / "set")) == 200


@pytest.mark.mpi
@pytest.mark.parametrize("error", ["OSError(5, 'a disk fails')", "KeyError('a disk fails')"])
def test_what_rank_0_alone_runs_into_all_ranks_raise(error):
    """The other ranks would wait for its outcome without end."""
    script = f"""
from mpi4py.MPI import COMM_WORLD as comm
from data_gen.ranks import on_rank_0
def fail():
    raise {error}
try:
    on_rank_0(comm, fail)
except {error.split("(")[0]} as found:
    print(comm.rank, found, flush=True)
"""
    launched = [MPIRUN, "-n", "2", sys.executable, "-c", script]
    finished = subprocess.run(launched, capture_output=True, text=True, timeout=60)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.count("a disk fails") == 2
