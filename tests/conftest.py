"""Small data sets of all three systems, made by the real generator, once a test session."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from interrupts import restore_interrupt
from tiny_run import POISSON, network, write_run

# One thread a process: tests run several processes side by side, and threads that wait for each
# other on busy cores are slow; sums over one thread have the same bits in every run.
os.environ["OMP_NUM_THREADS"] = "1"
# Compile in the process itself: a pool of compilers that one test has started is dead in the forks
# of a later one, which would wait for it for ever.
os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"

ROOT = Path(__file__).parent.parent
CLUSTER = "tests/slurm/"
SIZES = {
    "num_points": 32,
    "num_train_samples": 40,
    "num_val_samples": 13,
    "num_test_samples": 11,
    "shard_size": 16,
}


def pytest_configure() -> None:
    """Let Ctrl-C reach the runs under test also where the suite runs in the background."""
    restore_interrupt()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the cluster, whose tests wait more than they compute."""
    items.sort(key=lambda item: not item.path.is_relative_to(ROOT / CLUSTER))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Keep the tests of a file in one process, and those on the cluster, which they share."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduler(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return CLUSTER if nodeid.startswith(CLUSTER) else super()._split_scope(nodeid)

    return Scheduler(config, log)


def run_generator(name: str, output: Path, **options: object) -> None:
    """Run data_gen/solve.py in one process on a config of launch/configs/data."""
    arguments = [f"--{key}={value}" for key, value in (SIZES | options).items()]
    subprocess.run(
        [
            sys.executable,
            ROOT / "data_gen" / "solve.py",
            f"--config={ROOT / 'launch/configs/data' / name}.yaml",
            f"--output={output}",
            *arguments,
        ],
        check=True,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="session")
def generate() -> Callable[..., None]:
    """Makes a small data set: generate(name of a config, folder, **options of solve.py)."""
    return run_generator


@pytest.fixture(scope="session")
def datasets(tmp_path_factory) -> dict[str, Path]:
    """Folders of small data sets by name."""
    root = tmp_path_factory.mktemp("datasets")
    names = ("poisson_1_5", "poisson_5_10", "advection_diffusion_0p2_1", "helmholtz_1_10")
    for name in names:
        run_generator(name, root / name)
    return {name: root / name for name in names}


@pytest.fixture
def config(tmp_path, datasets):
    """Writes the YAML of a tiny run and returns its path."""

    def write(name="run", *, names=("poisson_1_5",), coefficient_names=POISSON, **options):
        """Give options of the model and of the data by these names, of the trainer by their own."""
        return write_run(
            tmp_path / name,
            [datasets[n] for n in names],
            module=options.pop("model", "PretrainingModule"),
            model={"network": network(coefficient_names), **options.pop("model_options", {})},
            data=options.pop("data_options", {}),
            trainer={"max_epochs": 2, "log_every_n_steps": 2, "logger": None, **options},
        )

    return write
