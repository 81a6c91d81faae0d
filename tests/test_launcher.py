"""The world that a launcher describes is the one that trains."""

import pytest

from lightning_sciml.cli.main import main
from lightning_sciml.errors import InputError
from lightning_sciml.launcher import Launch, launched, reject_single_node, training_launch

SRUN = {"SLURM_STEP_ID": "0", "SLURM_JOB_NAME": "pretrain", "SLURM_NTASKS": "8"}


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, Launch(launcher="none")),
        (
            {"PMI_SIZE": "4", "PMI_RANK": "3", "MPI_LOCALRANKID": "1", "MPI_LOCALNRANKS": "2"}
            | {"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "1", "SLURM_LOCALID": "0"}
            | {"SLURM_STEP_NUM_NODES": "2"},
            Launch(launcher="mpirun", size=4, rank=3, local_rank=1, num_nodes=2),
        ),
        (
            {
                **{"SLURM_STEP_NUM_TASKS": "8", "SLURM_PROCID": "5", "SLURM_LOCALID": "1"},
                **{"SLURM_STEP_NUM_NODES": "2", "PMI_SIZE": "8", "PMI_RANK": "5"},
            },
            Launch(launcher="srun", size=8, rank=5, local_rank=1, num_nodes=2),
        ),
    ],
)
def test_the_launcher_is_known_by_its_environment(environment, wanted):
    assert launched(environment) == wanted


HALF_SET = [
    ({"SLURM_STEP_NUM_TASKS": "many"}, "SLURM_STEP_NUM_TASKS='many', wanted a whole number of at"),
    ({"SLURM_STEP_NUM_TASKS": ""}, "SLURM_STEP_NUM_TASKS='', wanted"),
    (
        {"SLURM_STEP_NUM_TASKS": "1", "SLURM_STEP_NUM_NODES": "0"},
        "SLURM_STEP_NUM_NODES='0', wanted",
    ),
    ({"TORCHELASTIC_RUN_ID": "x"}, "WORLD_SIZE='', wanted"),
    ({"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "0"}, "WORLD_SIZE='0', wanted"),
    ({"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "1", "RANK": "5"}, "RANK=5 of WORLD_SIZE=1"),
    ({"OMPI_COMM_WORLD_SIZE": "-2"}, "OMPI_COMM_WORLD_SIZE='-2', wanted"),
]


@pytest.mark.parametrize(("environment", "message"), HALF_SET)
def test_variables_of_a_launcher_that_are_half_set_are_named(environment, message):
    with pytest.raises(InputError, match=message):
        launched(environment)


def test_half_set_variables_end_a_command_in_one_line(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "many")
    arguments = ["generate", "data/poisson_1_5", "--output", str(tmp_path / "set")]
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "SLURM_STEP_NUM_TASKS='many'" in line


def test_torchrun_and_srun_name_nodes_and_processes():
    torchrun = {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4"}
    srun = SRUN | {"SLURM_STEP_NUM_TASKS": "8", "SLURM_STEP_NUM_NODES": "2"}
    assert training_launch(torchrun) == Launch(launcher="torchrun", size=8, num_nodes=2)
    assert training_launch(srun) == Launch(launcher="srun", size=8, num_nodes=2)
    assert training_launch(srun | {"PMI_SIZE": "8"}) == training_launch(srun)
    assert training_launch(srun | torchrun) == Launch(launcher="torchrun", size=8, num_nodes=2)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"SLURM_NTASKS": "1"},
        {"SLURM_NTASKS": "8", "SLURM_JOB_NAME": "interactive"},
        SRUN | {"SLURM_JOB_NAME": "bash", "SLURM_STEP_NUM_TASKS": "1", "SLURM_STEP_NUM_NODES": "1"},
    ],
)
def test_without_a_launcher_lightning_starts_the_processes(environment):
    assert training_launch(environment) is None


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"SLURM_NTASKS": "4"}, "this job has 4 SLURM tasks, but sciml was started once"),
        ({"PMI_SIZE": "3"}, "got 3 processes of mpirun"),
        ({"OMPI_COMM_WORLD_SIZE": "2"}, "got 2 processes of mpirun"),
        (
            SRUN | {"SLURM_STEP_NUM_TASKS": "1", "SLURM_STEP_NUM_NODES": "1", "PMI_SIZE": "4"},
            "got 4 processes of mpirun",
        ),
        (
            SRUN | {"SLURM_STEP_NUM_TASKS": "3", "SLURM_STEP_NUM_NODES": "2"},
            "srun started 3 on 2 nodes; give --ntasks-per-node",
        ),
        (
            SRUN
            | {
                "SLURM_JOB_NAME": "bash",
                "SLURM_STEP_NUM_TASKS": "2",
                "SLURM_STEP_NUM_NODES": "2",
            },
            "add --job-name=train",
        ),
    ],
)
def test_processes_that_would_not_find_each_other_are_rejected(environment, message):
    with pytest.raises(InputError, match=message):
        training_launch(environment)


def test_a_node_that_nobody_joins_is_rejected():
    with pytest.raises(InputError, match="num_nodes=2 needs processes on each node"):
        reject_single_node({}, 2)
    reject_single_node({}, 1)
    reject_single_node({"NODE_RANK": "0"}, 2)
    reject_single_node({"JSM_NAMESPACE_RANK": "0"}, 2)  # LSF, which Lightning knows
