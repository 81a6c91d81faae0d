"""The doctor under srun: with the right MPI it finds nothing, with none it says which to take."""

import sysconfig

import pytest
from cluster import Cluster

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(300)]


@pytest.mark.parametrize(("mpi", "is_connected"), [("pmi2", True), ("none", False)])
def test_the_table_says_whether_mpi_connects_the_nodes(cluster: Cluster, mpi, is_connected):
    answer = cluster.run(
        *("srun", "--nodes=2", "--ntasks-per-node=1", f"--mpi={mpi}"),
        *(f"{sysconfig.get_path('scripts')}/sciml", "doctor", "--folder", cluster.folder),
        check=is_connected,
    )
    assert "srun: 2 processes on 2 nodes" in answer
    assert "gloo over 2 processes" in answer
    assert ("2 of 2 processes connected" in answer) == is_connected
    assert ("set SCIML_MPI to what fits this library" in answer) != is_connected
