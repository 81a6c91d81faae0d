"""Small data sets of all three systems, made by the real generator, once a test session."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

# One thread a process: tests run several processes side by side, and threads that wait for each
# other on busy cores are slow; sums over one thread have the same bits in every run.
os.environ["OMP_NUM_THREADS"] = "1"
# Compile in the process itself: a pool of compilers that one test has started is dead in the forks
# of a later one, which would wait for it for ever.
os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"

ROOT = Path(__file__).parent.parent
SIZES = {
    "num_points": 32,
    "num_train_samples": 40,
    "num_val_samples": 13,
    "num_test_samples": 11,
    "shard_size": 16,
}


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

    def write(name="run", *, model="PretrainingModule", names=("poisson_1_5",), **options):
        network = {
            "class_path": "lightning_sciml.models.fno.FNO",
            "init_args": {
                "num_channels": 4,
                "num_modes": 4,
                "coefficient_names": options.pop("coefficient_names", ["k11", "k22", "k12"]),
            },
        }
        tree = {
            "run_dir": str(tmp_path / name),
            "model": {
                "class_path": model,
                "init_args": {"network": network, **options.pop("model_options", {})},
            },
            "data": {
                "datasets": [str(datasets[n]) for n in names],
                "batch_size": 8,
                **options.pop("data_options", {}),
            },
            "trainer": {
                "accelerator": "cpu",
                "devices": 1,
                "max_epochs": 2,
                "enable_progress_bar": False,
                "enable_model_summary": False,
                "log_every_n_steps": 2,
                **options,
            },
        }
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump(tree))
        return path

    return write
