"""A hundred kills, and full disks: what is there of a data set is whole at any time.

pytest -m slow -s tests/data_gen/test_many_kills.py
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from generated_sets import command, run, shard_bytes, shard_files

from lightning_sciml.shards.dataset_plan import DatasetPlan
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.shards.reader import ShardedDataset
from lightning_sciml.shards.shard_layout import open_shard

pytestmark = [pytest.mark.mpi, pytest.mark.slow, pytest.mark.timeout(3600)]
SLAB = {"decomposition": "slab", "shard_size": 1, "num_points": 50}
SETS = {
    "trajectories": ("burgers_small", {"num_train_samples": 40}),
    "trajectories in slabs": ("burgers_small", {**SLAB, "num_train_samples": 12, "steps": 4}),
    "heterogeneous diffusion": ("darcy_small", {"num_train_samples": 120}),
    "walls": ("poisson_dirichlet_1_5", {"num_train_samples": 200}),
    "periodic, in slabs": ("poisson_1_5", {**SLAB, "num_train_samples": 20}),
}
"""Name and options of a set of each kind."""
NUM_KILLS = 25  # of each set
VICTIMS = ("one rank", "all ranks", "the launcher")


@pytest.fixture(params=SETS)
def made(request, tmp_path):
    """A set of one rank: name, options, folder."""
    name, options = SETS[request.param]
    finished = run(tmp_path / "expected", name, **options)
    assert finished.returncode == 0, finished.stderr
    return name, options, tmp_path / "expected"


def test_any_kill_leaves_whole_shards_and_any_ranks_complete_the_set(made, tmp_path):
    name, options, expected = made
    output, rng, ended = tmp_path / "killed", np.random.default_rng(0), Counter()
    shards, whole = {record.file for record in Manifest.load(expected).shards}, []
    for kill in range(NUM_KILLS):
        num_ranks, victim = int(rng.integers(1, 4)), VICTIMS[kill % len(VICTIMS)]
        process = subprocess.Popen(
            command(output, name, num_ranks, **options),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        number = int(rng.integers(0, len(shards - set(whole))))
        _wait_for_files(output, process, number, shards)
        time.sleep(rng.uniform(0, 0.1))
        is_interrupted = _kill(process, output, victim, rng)
        ended[victim if is_interrupted else "after the end"] += 1
        whole = _check_what_is_there(output, expected)
        for file in rng.permutation(whole)[: rng.integers(1, len(whole) + 1) if whole else 0]:
            (output / file).unlink()  # so that there is work to interrupt
            whole.remove(file)
    assert ended["after the end"] <= NUM_KILLS / 2
    finished = run(output, name, 2, **options)
    assert finished.returncode == 0, finished.stderr
    _check_finished(output, expected)
    sys.stdout.write(f"\n{name} {options}: killed {dict(ended)}\n")


def _wait_for_files(output, process, number, shards):
    """Wait until there are as many more of the shards, or the program has ended."""
    wanted = len(shards & shard_files(output).keys()) + number
    while process.poll() is None and len(shards & shard_files(output).keys()) < wanted:
        time.sleep(0.005)


def _kill(process, output, victim, rng):
    """SIGKILL some processes of a generation, and wait until none is left; tell whether one was."""
    ranks = [pid for pid in _processes_of(output) if pid != process.pid]
    chosen = {
        "one rank": ranks[:1] if not ranks else [int(rng.choice(ranks))],
        "all ranks": [*ranks, process.pid],
        "the launcher": [process.pid],
    }[victim]
    is_running = process.poll() is None
    for pid in chosen or [process.pid]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue  # it ended meanwhile
    process.wait(timeout=60)
    give_up_at = time.monotonic() + 60
    while left := _processes_of(output):
        assert time.monotonic() < give_up_at, f"{left} still run a minute after {victim} was killed"
        time.sleep(0.02)
    return is_running and process.returncode != 0


def _processes_of(output):
    """List the processes that were started for this folder and have not ended."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        if f"--output={output}".encode() in words.split(b"\0"):
            found.append(int(entry.name))
    return found


def _check_what_is_there(output, expected):
    """Compare each shard that a reader would find with the undisturbed one; return their names."""
    if not (output / "manifest.json").exists():
        assert not shard_files(output)
        return []
    records = {record.file: record for record in Manifest.load(expected).shards}
    there = sorted(records.keys() & shard_files(output).keys())
    plan = DatasetPlan.load(output)
    for file in there:
        shard = open_shard(output / file, plan, {})
        shard.check_payload()
        assert shard.record == records[file]
    return there


def _check_finished(output, expected):
    """Compare all that is asked of a set: every file, or where slabs differ every array."""
    found, wanted = Manifest.load(output), Manifest.load(expected)
    for name in ("shards", "statistics", "histograms", "text"):
        assert getattr(found, name) == getattr(wanted, name), name
    if found.config["decomposition"] == "shards":
        assert shard_bytes(output) == shard_bytes(expected)
    for split, number in found.num_samples.items():
        if number:
            sets = [ShardedDataset(folder, split, verify="full") for folder in (output, expected)]
            for field in found.field_names:
                np.testing.assert_array_equal(*(of_all[:][field] for of_all in sets))
    assert not list(output.rglob("*.tmp"))


def test_shards_of_any_size_and_ranks_hold_the_same_samples(made, tmp_path):
    name, options, expected = made
    if options.get("decomposition") == "slab":
        sizes = [(1, 2), (1, 3)]
    else:
        sizes = [(3, 1), (7, 2), (5, 3), (1000, 3)]
    for shard_size, num_ranks in sizes:
        output = tmp_path / f"{shard_size}_{num_ranks}"
        finished = run(output, name, num_ranks, **{**options, "shard_size": shard_size})
        assert finished.returncode == 0, finished.stderr
        for split in ("train", "val"):
            sets = [ShardedDataset(folder, split, verify="full") for folder in (output, expected)]
            for read in (
                lambda of_all: np.stack([of_all[:][f] for f in of_all.manifest.field_names]),
                lambda of_all: of_all.norms(np.arange(len(of_all))),
                lambda of_all: of_all.coefficients(np.arange(len(of_all))),
            ):
                np.testing.assert_array_equal(*map(read, sets))
        shutil.rmtree(output)


@contextlib.contextmanager
def small_disk(folder, num_bytes):
    """Mount a file system of this size."""
    folder.mkdir()
    size = ["-o", f"size={num_bytes}"]
    subprocess.run(["mount", "-t", "tmpfs", *size, "small_disk", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def _fill(filler, num_spared):
    """Take all pages of a disk but some, while others write to it."""
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    os.truncate(filler, max(0, filler.stat().st_size - 4096 * num_spared))


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting takes root")
@pytest.mark.parametrize("num_ranks", [1, 2])
def test_a_disk_that_fills_up_stops_all_ranks_and_the_set_is_completed(made, tmp_path, num_ranks):
    name, options, expected = made
    shards = {record.file for record in Manifest.load(expected).shards}
    num_bytes = sum(path.stat().st_size for path in expected.rglob("*") if path.is_file())
    disk, rng = tmp_path / "disk", np.random.default_rng(num_ranks)
    told = []
    with small_disk(disk, 2 * num_bytes + (4 << 20)):
        output, filler = disk / "set", disk / "filler"
        for number in (0, 1, len(shards) // 2, len(shards) - 1):
            shutil.rmtree(output, ignore_errors=True)
            process = subprocess.Popen(
                command(output, name, num_ranks, **options), stderr=subprocess.PIPE, text=True
            )
            while not (output / "manifest.json").exists() and process.poll() is None:
                time.sleep(0.005)
            _wait_for_files(output, process, number, shards)
            _fill(filler, num_spared=int(rng.integers(0, 3)))
            _, said = process.communicate(timeout=60)
            told.append(process.returncode)
            if process.returncode:
                assert "No space left on device" in said, said
                assert "Traceback" not in said
                assert not list(output.rglob("*.tmp"))
            _check_what_is_there(output, expected)
            filler.unlink()
            finished = run(output, name, num_ranks, **options)
            assert finished.returncode == 0, finished.stderr
            _check_finished(output, expected)
    assert sum(code != 0 for code in told) >= 2
    sys.stdout.write(f"\n{name} {options}, {num_ranks} ranks: exit status, disk full: {told}\n")
