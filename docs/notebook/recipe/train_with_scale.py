"""Run a study with another scale β of the diffusion operators than that of pde/steady.py.

folder=docs/notebook/recipe
python $folder/train_with_scale.py mean_eigenvalue $folder/scale_poisson.yaml --jobs 2
python $folder/train_with_scale.py sqrt_det $folder/scale_advection_diffusion.yaml

Runs and report of the scale SCALE go to OUTPUT/SCALE. The scale is known to this command alone, so
only it can resume them. What follows the file goes to `sciml study run` as it is.
`operator_scale` trains with the rule that is in use.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from operator_scales import isotropic_norm, largest_eigenvalue, mean_eigenvalue, sqrt_det

from lightning_sciml.cli.main import main as sciml
from lightning_sciml.pde.steady import AdvectionDiffusion, Poisson

Scale = Callable[[Any], Any]


def with_velocity(of_diffusion: Scale) -> Scale:
    """√(β(K)² + |v|²/8π²): the r.m.s. of |L(k)|/|k|² where K = β(K) I."""
    return lambda c: (of_diffusion(c) ** 2 + (c[..., 3:5] ** 2).sum(-1) / (8 * np.pi**2)) ** 0.5


SCALES: dict[str, Scale] = {
    "mean_eigenvalue": mean_eigenvalue,
    "sqrt_det": sqrt_det,
    "largest_eigenvalue": largest_eigenvalue,
    "isotropic_norm": isotropic_norm,
}


def use(name: str) -> None:
    """Replace the operator scales of Poisson and advection-diffusion."""
    if name == "operator_scale":
        return
    of_poisson = SCALES[name]
    of_advection = with_velocity(of_poisson)
    setattr(Poisson, "operator_scale", lambda self, c: of_poisson(c))  # noqa: B010
    setattr(AdvectionDiffusion, "operator_scale", lambda self, c: of_advection(c))  # noqa: B010


def main(scale: str, path: str, *options: str) -> None:
    """Train and report."""
    known = ["operator_scale", *SCALES]
    if scale not in known:
        sys.exit(f"SCALE must be one of {', '.join(known)}, got {scale}")
    study = yaml.safe_load(Path(path).read_text())
    study["output"] = f"{study['output']}/{scale}"
    study["title"] = f"{study['title']}: {scale}"
    written = Path(study["output"]) / "study.yaml"
    written.parent.mkdir(parents=True, exist_ok=True)
    written.write_text(yaml.safe_dump(study, sort_keys=False))
    use(scale)
    try:
        sciml(["study", "run", str(written), *options])
    finally:
        sciml(["study", "report", str(written)])


if __name__ == "__main__":
    main(*sys.argv[1:])
