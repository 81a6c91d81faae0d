"""A two-node SLURM for the session, and training runs small enough to be disturbed often."""

import os
import shlex
import socket
import subprocess
import sysconfig
from pathlib import Path

import pytest
from cluster import ROOT, Cluster, Run

CANNOT = 3  # exit code of devcluster.sh on a host that cannot carry a SLURM


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slurm")
    folder.chmod(0o755)
    cluster = Cluster(folder)
    up = cluster.devcluster("up")
    if up.returncode == CANNOT:
        pytest.skip(f"SLURM IS NOT TESTED HERE: {up.stderr.strip()}")
    try:
        assert up.returncode == 0, up.stderr
        cluster.write_site()
        yield cluster
    finally:
        cluster.devcluster("down")
        assert not cluster.processes(), "down leaves nothing running"


@pytest.fixture(scope="session")
def dataset(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "poisson"
    words = (
        f"{sysconfig.get_path('scripts')}/python data_gen/solve.py --num_points 32 "
        "--config launch/configs/data/poisson_1_5.yaml --name poisson --num_train_samples 40 "
        f"--num_val_samples 8 --num_test_samples 4 --shard_size 16 --output {folder}"
    )
    subprocess.run(shlex.split(words), cwd=ROOT, check=True, capture_output=True, timeout=120)
    return folder


@pytest.fixture
def make_run(tmp_path, dataset):
    return lambda name, *faults: Run(tmp_path / name, dataset, *faults)


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory, dataset) -> Run:
    """Train undisturbed under torchrun; runs under SLURM must end with the same bits."""
    run = Run(tmp_path_factory.mktemp("undisturbed") / "run", dataset)
    variables = {
        "PATH": f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}",
        "NNODES": "2",
        "NPROC": "1",
        "MASTER": f"127.0.0.1:{free_port()}",
        "OMP_NUM_THREADS": "1",
    }
    machines = [
        subprocess.Popen(["launch/torchrun.sh", run.config], cwd=ROOT, env=os.environ | variables)
        for _ in range(2)
    ]
    assert [machine.wait(timeout=240) for machine in machines] == [0, 0]
    return run


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
