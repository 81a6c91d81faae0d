"""Processes meet where MPI, SLURM or the environment knows a place, or say why not."""

import socket
from ipaddress import ip_address
from types import SimpleNamespace

import pytest

from lightning_sciml.doctor.finding import Verdict
from lightning_sciml.doctor.processes import check_launch, check_mpi, meeting_place
from lightning_sciml.launcher import Launch


def test_processes_that_mpi_does_not_connect_are_bad():
    here = Launch(launcher="srun", size=8)
    assert check_mpi(here, SimpleNamespace(size=8)).verdict == Verdict.GOOD
    alone = check_mpi(here, SimpleNamespace(size=1))
    assert alone.verdict == Verdict.BAD
    assert "1 of 8 processes connected" in alone.found
    assert "SCIML_MPI" in alone.remedy


def test_nodes_with_unequal_numbers_of_processes_are_warned_of():
    assert check_launch(Launch(launcher="srun", size=4, num_nodes=2)).verdict == Verdict.GOOD
    uneven = check_launch(Launch(launcher="srun", size=3, num_nodes=2))
    assert uneven.verdict == Verdict.WARNING
    assert "--ntasks-per-node" in uneven.remedy


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
    """A socket of a host whose address towards other networks is 10.1.2.3."""

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
