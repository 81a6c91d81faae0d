"""The program in this process, for sets so small that an error is all that takes time."""

import io
from contextlib import redirect_stderr

from programs import ROOT

from data_gen import solve

POISSON, ADVECTION, HELMHOLTZ = "poisson_1_5", "advection_diffusion_0p2_1", "helmholtz_1_10"
SMALL = {
    "num_points": 32,
    "num_train_samples": 20,
    "num_val_samples": 5,
    "num_test_samples": 0,
    "shard_size": 8,
}


def arguments(output, name, **options):
    flags = [f"--{key}={value}" for key, value in (SMALL | options).items()]
    config = ROOT / f"launch/configs/data/{name}.yaml"
    return [f"--config={config}", f"--output={output}", *flags]


def generated(output, name, **options):
    """Exit status of the program, and the lines it says."""
    said = io.StringIO()
    with redirect_stderr(said):
        status = solve.main(arguments(output, name, **options))
    lines = said.getvalue().replace("\r", "\n").splitlines()
    return status, [line for line in lines if line.strip() and "samples/s" not in line]
