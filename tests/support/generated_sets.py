"""Small data sets made by the program in processes of its own."""

import os
import subprocess
import sys
from pathlib import Path

from programs import MPIRUN, ROOT

SMALL = {
    "num_points": 32,
    "num_train_samples": 70,
    "num_val_samples": 20,
    "num_test_samples": 0,
    "shard_size": 16,
}
OTHERS = {
    "burgers_small": {
        "num_points": 16,
        "num_train_samples": 18,
        "num_val_samples": 5,
        "shard_size": 4,
    },
    "darcy_small": {"num_points": 12},
}
"""Sets whose files lie beside this one, with their own sizes; as many shards."""
FAMILIES = ["poisson_1_5", *OTHERS]


def command(output, name="poisson_1_5", num_ranks=1, **options):
    launcher = [MPIRUN, "-n", str(num_ranks)] if num_ranks > 1 else []
    options = SMALL | OTHERS.get(name, {}) | options
    flags = [f"--{key}={value}" for key, value in options.items()]
    shipped = ROOT / "launch/configs/data"
    config = (Path(__file__).parent if name in OTHERS else shipped) / f"{name}.yaml"
    program = [sys.executable, ROOT / "data_gen/solve.py", f"--config={config}"]
    return [str(part) for part in [*launcher, *program, f"--output={output}", *flags]]


def run(*arguments, environment=None, **options):
    return subprocess.run(
        command(*arguments, **options),
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})},
    )


def shard_bytes(output):
    return {p.relative_to(output).as_posix(): p.read_bytes() for p in output.rglob("*.h5")}


def shard_files(output):
    return {p.relative_to(output).as_posix(): p for p in output.rglob("*.h5") if p.is_file()}
