"""The option `devices` means what it means to Lightning, and fits what a launcher has started."""

import os

import pytest
from lightning.pytorch import Trainer
from lightning.pytorch.plugins.environments import SLURMEnvironment

from lightning_sciml.cli import fit
from lightning_sciml.errors import InputError
from lightning_sciml.launcher import describe_step, reject_other_devices, training_launch
from lightning_sciml.training.parallelism import cluster_plugins, num_devices


@pytest.mark.parametrize(
    ("devices", "accelerator", "number"),
    [(1, "cpu", 1), ("2", "cpu", 2), (" 3 ", "cpu", 3), ("auto", "cpu", 1), (2, "auto", 2)],
)
def test_devices_of_a_cpu_are_a_number_of_processes(monkeypatch, devices, accelerator, number):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    assert num_devices(devices, accelerator) == number


@pytest.mark.parametrize(
    ("devices", "number"),
    [("0,1", 2), ("1,", 1), ([0, 1], 2), ([3], 1), ("-1", 4), (-1, 4), ("2", 2), (2, 2)],
)
def test_devices_of_gpus_are_read_as_lightning_reads_them(monkeypatch, devices, number):
    monkeypatch.setattr("lightning.fabric.accelerators.cuda.num_cuda_devices", lambda: 4)
    monkeypatch.setattr("lightning.pytorch.accelerators.cuda.num_cuda_devices", lambda: 4)
    assert num_devices(devices, "cuda") == number


@pytest.mark.parametrize("devices", ["0,1", "1,", [0], -1, "-1", 0, "0", "x", "null", "1.5", []])
def test_devices_that_no_cpu_has_are_rejected(devices):
    with pytest.raises(InputError, match=r"trainer\.devices"):
        num_devices(devices, "cpu")


def test_an_unknown_accelerator_is_rejected():
    with pytest.raises(InputError, match=r"must be one of auto, gpu, .*cpu.* got gpus"):
        num_devices(1, "gpus")


def test_an_accelerator_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr("lightning.fabric.accelerators.cuda.num_cuda_devices", lambda: 0)
    monkeypatch.setattr("lightning.pytorch.accelerators.cuda.num_cuda_devices", lambda: 0)
    with pytest.raises(InputError, match="accelerator=cuda comes to no process"):
        num_devices("auto", "cuda")


@pytest.fixture
def start(tmp_path):
    """Starts a training on a CPU with further options, on data that are not there."""

    def run(*options):
        network = "{class_path: lightning_sciml.models.fno.FNO, init_args: {size: 64K}}"
        command = ["fit", "--data.datasets", "[nowhere]", "--run_dir", str(tmp_path / "run")]
        command += ["--model", "PretrainingModule", "--model.network", network]
        fit.main([*command, "--trainer.accelerator", "cpu", *options])

    return run


def test_a_batch_that_processes_cannot_share_is_rejected_before_they_start(start, tmp_path):
    """Each of a hundred processes would say so, and Lightning would kill them."""
    with pytest.raises(InputError, match="batch_size=4 over 3; try 3"):
        start("--trainer.devices", "3", "--data.batch_size", "4")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("size", "options", "message"),
    [
        ("1", ["--trainer.devices", "2"], "asks for 2 processes, torchrun started 1"),
        ("2", ["--trainer.strategy", "single_device"], r"started 2 .* takes part of 1; leave"),
    ],
)
def test_a_training_is_compared_with_its_launcher(
    start, tmp_path, monkeypatch, size, options, message
):
    torchrun = {"TORCHELASTIC_RUN_ID": "x", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29519"}
    torchrun |= dict.fromkeys(("RANK", "LOCAL_RANK", "GROUP_RANK"), "0")
    torchrun |= dict.fromkeys(("WORLD_SIZE", "LOCAL_WORLD_SIZE"), size)
    for name, value in torchrun.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=message):
        start(*options)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "of_job",
    [
        {"SLURM_NTASKS": "4"},
        {"SLURM_NTASKS": "8", "SLURM_NTASKS_PER_NODE": "8", "SLURM_NNODES": "1"},
        {"SLURM_NTASKS": "4", "SLURM_NTASKS_PER_NODE": "4", "SLURM_NNODES": "4"},
    ],
    ids=["--ntasks alone", "a smaller step", "on fewer nodes"],
)
def test_lightning_accepts_every_even_step_of_srun(monkeypatch, of_job):
    step = {"SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "4", "SLURM_STEP_NUM_NODES": "2"}
    environment = {"SLURM_JOB_NAME": "train", "SLURM_JOB_ID": "1", **step, **of_job}
    for name in ("SLURM_NTASKS_PER_NODE", "SLURM_NNODES", "TORCHELASTIC_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    started = training_launch(os.environ)
    describe_step(os.environ, started)
    (plugin,) = cluster_plugins()
    plugin.validate_settings(num_devices=started.num_local, num_nodes=started.num_nodes)
    assert isinstance(plugin, SLURMEnvironment)
    assert plugin.world_size() == started.size == 4


def test_one_task_for_two_devices_is_rejected_and_several_tasks_prevail():
    step = {"SLURM_STEP_ID": "0", "SLURM_STEP_NUM_NODES": "1"}
    one, two = (training_launch({**step, "SLURM_STEP_NUM_TASKS": number}) for number in ("1", "2"))
    with pytest.raises(InputError, match="asks for 2 processes, srun started 1"):
        reject_other_devices(one, 2)
    for started, wanted in ((one, 1), (one, None), (two, 1), (two, 4)):
        reject_other_devices(started, wanted)


@pytest.mark.filterwarnings("ignore:The `srun` command is available")
def test_training_starts_where_mpi4py_finds_no_library(monkeypatch):
    """Generation alone needs one."""

    def looked_for() -> bool:
        raise RuntimeError("cannot load MPI library")

    monkeypatch.setattr("lightning.fabric.plugins.environments.MPIEnvironment.detect", looked_for)
    trainer = Trainer(
        accelerator="cpu", devices=1, logger=False, barebones=True, plugins=cluster_plugins()
    )
    assert trainer.world_size == 1
