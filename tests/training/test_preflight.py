"""Nodes that do not see the same files say so, all of them, instead of waiting for each other."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from lightning_sciml.errors import InputError
from lightning_sciml.launcher import Place, place
from lightning_sciml.training.preflight import checked_nodes


def check_on_two_nodes(run_dirs: list[Path], datasets: list[list[Path]]) -> list[str]:
    """What each of two nodes with two processes says; "" if all is well."""
    started = Barrier(4)

    def process(rank: int) -> str:
        node, local_rank = divmod(rank, 2)
        here = Place(node=node, local_rank=local_rank, launch="1")
        try:
            with checked_nodes(
                here, num_nodes=2, run_dir=run_dirs[node], datasets=datasets[node], timeout_s=2
            ):
                started.wait(timeout=10)  # as processes do when they form a group
        except InputError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(process, range(4)))


@pytest.fixture
def dataset(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/manifest.json").touch()
    return tmp_path / "data"


def test_all_is_well_where_all_see_the_same(tmp_path, dataset):
    run_dir = tmp_path / "run"
    stale = run_dir / ".nodes/0/1"
    stale.parent.mkdir(parents=True)
    stale.touch()
    assert check_on_two_nodes([run_dir] * 2, [[dataset]] * 2) == [""] * 4
    assert not (run_dir / ".nodes").exists()
    assert run_dir.exists()


def test_a_folder_that_is_not_shared_is_rejected_on_all(tmp_path, dataset):
    said = check_on_two_nodes([tmp_path / "a", tmp_path / "b"], [[dataset]] * 2)
    assert "sees nothing in" in said[0]
    assert "of nodes [1]" in said[0]
    assert all("must be a folder that all nodes share" in line for line in said)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_data_set_missing_on_one_node_is_named_on_all(tmp_path, dataset):
    nowhere = tmp_path / "nowhere"
    said = check_on_two_nodes([tmp_path / "run"] * 2, [[dataset, dataset], [dataset, nowhere]])
    assert len(set(said)) == 1
    assert f"the data set {nowhere} is wanted on all 2 nodes, it is not on node 1" in said[0]
    assert not (tmp_path / "run").exists()


def test_a_requeued_job_is_another_launch():
    srun = {"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", "SLURM_NODEID": "1", "SLURM_LOCALID": "3"}
    srun |= {"SLURM_STEP_NUM_TASKS": "8", "SLURM_STEP_NUM_NODES": "2"}
    assert place(srun).node == 1
    assert place(srun).local_rank == 3
    assert place(srun).launch != place(srun | {"SLURM_RESTART_COUNT": "1"}).launch
