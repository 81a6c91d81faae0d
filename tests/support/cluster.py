"""The development cluster and the runs on it, as the tests speak of them."""

import os
import re
import subprocess
import sysconfig
import time
from pathlib import Path

import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny_run import write_run

ROOT = Path(__file__).parent.parent.parent
DEVCLUSTER = ROOT / "launch/devcluster.sh"
NUM_EPOCHS, STEPS_PER_EPOCH = 4, 5
FINAL = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL")


class Cluster:
    """The development cluster, and its commands as a user would type them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.site = folder / "site.sh"
        self.environment = os.environ | {
            "SCIML_DEVCLUSTER": str(folder),
            "SLURM_CONF": str(folder / "slurm.conf"),
            "SCIML_SITE": str(self.site),
            "OMP_NUM_THREADS": "1",
            "UCX_LOG_LEVEL": "error",
        }

    def devcluster(self, verb: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [DEVCLUSTER, verb],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=280,
        )

    def write_site(self) -> None:
        scripts, here = sysconfig.get_path("scripts"), Path(__file__).parent
        self.site.write_text(
            f"export PATH={scripts}:$PATH PYTHONPATH={here}:{ROOT}\n"
            f"export SCIML_STAGE_DIR={self.folder}/stage\n"
        )

    def run(self, *words: object, check: bool = True) -> str:
        """Output of a command, typed in the repository."""
        result = subprocess.run(
            [str(w) for w in words],
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert not check or result.returncode == 0, result.stderr
        return result.stdout + result.stderr

    def submit(self, *words: object) -> str:
        """sbatch; the job's number."""
        log = self.folder / "job-%j.out"
        return self.run("sbatch", "--parsable", "--nodes=2", f"--output={log}", *words).strip()

    def log(self, job: str) -> str:
        path = self.folder / f"job-{job}.out"
        return path.read_text() if path.exists() else ""

    def field(self, job: str, name: str) -> str:
        record = self.run("scontrol", "show", "job", "--oneliner", job)
        return re.search(rf"\b{name}=(\S+)", record)[1]

    def wait(self, job: str, *states: str, timeout_s: float = 240) -> str:
        """Until the job is in one of `states`, by default one that is final."""
        wanted = states or FINAL
        give_up_at = time.monotonic() + timeout_s
        while (state := self.field(job, "JobState")) not in wanted:
            is_hopeless = state in FINAL or time.monotonic() > give_up_at
            assert not is_hopeless, f"job {job} is {state}\n{self.log(job)}"
            time.sleep(0.2)
        return state

    def finished(self, job: str) -> str:
        """The log of a job that must end well."""
        state = self.wait(job)
        assert state == "COMPLETED", self.log(job)
        return self.log(job)

    def processes(self, *variables: str) -> list[int]:
        """Processes of this cluster, daemons and tasks, in whose environment these are set."""
        wanted = {f"SLURM_CONF={self.folder}/slurm.conf", *variables}
        return [
            int(process.name)
            for process in Path("/proc").glob("[0-9]*")
            if wanted <= environment(process)
        ]

    def processes_of_node(self, node: str) -> list[int]:
        """What dies with a node: its slurmd, the daemons of its steps, and their tasks."""
        daemon = int((self.folder / "pid" / node).read_text())
        tasks = self.processes(f"SLURMD_NODENAME={node}")
        steps = {parent for task in tasks if name_of(parent := parent_of(task)) == "slurmstepd"}
        return [daemon, *steps, *tasks]


def environment(process: Path) -> set[str]:
    try:
        return set((process / "environ").read_text().split("\0"))
    except OSError:  # it has ended, or is not ours
        return set()


def parent_of(process: int) -> int:
    return int(re.search(r"PPid:\s*(\d+)", Path(f"/proc/{process}/status").read_text())[1])


def name_of(process: int) -> str:
    return Path(f"/proc/{process}/comm").read_text().strip()


class Run:
    """A training run, its YAML, and what is left of it."""

    def __init__(self, folder: Path, dataset: Path, *faults: dict) -> None:
        self.folder = folder
        callbacks = [{"class_path": "faults.Fault", "init_args": fault} for fault in faults]
        self.config = write_run(
            folder,
            [dataset],
            trainer={
                "devices": "auto",
                "max_epochs": NUM_EPOCHS,
                "logger": None,
                "log_every_n_steps": 1,
                "callbacks": callbacks,
            },
            poll_s=0,
            checkpoint_every_n_steps=3,
            collective_timeout_s=30,
        )

    def checkpoint(self, name: str = "last.ckpt") -> dict:
        return torch.load(self.folder / "checkpoints" / name, weights_only=True)

    def curve(self, name: str) -> list[tuple[int, float]]:
        events = EventAccumulator(str(self.folder / "tensorboard")).Reload()
        return [(event.step, event.value) for event in events.Scalars(name)]

    def assert_same_as(self, other: "Run") -> None:
        """Compare weights, which agree to the last bit after the same steps of the same epochs."""
        for name in ("last.ckpt", "best.ckpt"):
            mine, theirs = self.checkpoint(name), other.checkpoint(name)
            assert (mine["epoch"], mine["global_step"]) == (theirs["epoch"], theirs["global_step"])
            for key, value in theirs["state_dict"].items():
                assert torch.equal(mine["state_dict"][key], value), (name, key)
        assert self.checkpoint()["global_step"] == NUM_EPOCHS * STEPS_PER_EPOCH
