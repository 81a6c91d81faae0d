"""Generation under SLURM: MPI over two nodes, and what becomes of it when one is lost."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cluster import ROOT, Cluster

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(600)]
CONFIG = "data/poisson_1_5"
# Small shards, so that there are many and each is soon done.
SIZES = shlex.split(
    "--num_points 32 --num_train_samples 2400 --num_val_samples 8 --num_test_samples 8 "
    "--shard_size 8"
)


def checksums(dataset: Path) -> list[tuple]:
    manifest = json.loads((dataset / "manifest.json").read_text())
    return sorted((s["split"], s["first_index"], s["checksum"]) for s in manifest["shards"])


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """One process, without SLURM."""
    folder = tmp_path_factory.mktemp("generation") / "whole"
    command = [sys.executable, "data_gen/solve.py", "--config", CONFIG, "--output", folder, *SIZES]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=240)
    return folder


def test_killed_on_one_of_two_nodes_it_makes_what_is_missing(cluster: Cluster, tmp_path, whole):
    output = tmp_path / "data"
    job = cluster.submit("slurm/generate.sbatch", CONFIG, "--output", output, *SIZES)
    give_up_at = time.monotonic() + 120
    while len(list(output.glob("train/*.h5"))) < 8:
        assert time.monotonic() < give_up_at, cluster.log(job)
        time.sleep(0.01)
    (rank,) = (p for p in cluster.processes_of_node("n2") if "/sciml generate" in command_of(p))
    os.kill(rank, signal.SIGKILL)
    log = cluster.finished(job)
    assert "2 ranks" in log
    assert "shards are whole; queued again (restart 1)" in log
    assert "shards are there already and good" in log
    assert checksums(output) == checksums(whole)


def command_of(process: int) -> str:
    return Path(f"/proc/{process}/cmdline").read_text().replace("\0", " ")


def test_processes_that_mpi_does_not_connect_are_rejected(cluster: Cluster, tmp_path):
    """srun --mpi=none starts each rank as if it were alone, all with the same folder."""
    job = cluster.submit(
        "--export=ALL,SCIML_MPI=none",
        "slurm/generate.sbatch",
        *(CONFIG, "--output", tmp_path / "data", *SIZES),
    )
    assert cluster.wait(job) == "FAILED"
    assert cluster.log(job).count("the launcher started 2 processes but MPI connects none") == 1
    assert not list(tmp_path.glob("data/train/*.h5"))
