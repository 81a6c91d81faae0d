"""The PDE residual of predictions between walls, in reports and for arrays."""

import csv

import h5py
import numpy as np
import pytest
from tiny_run import fit, write_run
from wave_sets import waves, write_waves

from lightning_sciml import load_operator
from lightning_sciml.cli.main import main
from lightning_sciml.pde.residual import relative_residual
from lightning_sciml.pde.steady import Poisson

BOUNDARIES = {
    "torus": ("periodic", "periodic"),
    "box": ("dirichlet", "dirichlet"),
    "channel": ("neumann", "periodic"),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Sets of three boundaries in one group of batches, and a run trained and tested on them."""
    folder = tmp_path_factory.mktemp("walls")
    sets = [write_waves(folder / name, of) for name, of in BOUNDARIES.items()]
    model = {"coordinates": ["square"], "augmentations": ["square"]}
    config = write_run(folder / "run", sets, model=model, trainer={"max_epochs": 1})
    fit(config)
    for verb in ("test", "predict"):
        main([verb, "--config", str(config)])
    return folder


def expected_residual(name, prediction):
    f, _, c = waves(BOUNDARIES[name])
    numbers = np.stack([*c.values()], axis=1)
    fields = (prediction.astype(float), f[4:].astype("f4").astype(float), numbers[4:])
    return relative_residual(Poisson(), *fields, boundary=BOUNDARIES[name])


@pytest.mark.parametrize("name", BOUNDARIES)
def test_the_table_of_samples_has_the_residual_of_each_boundary(root, name):
    together = "+".join(BOUNDARIES)
    with h5py.File(root / f"run/predictions/{together}-test.h5") as file:
        prediction = file[name]["prediction/solution"][:]
    rows = csv.DictReader((root / f"run/test/{together}.csv").read_text().splitlines())
    told = [float(row["pde_residual"]) for row in rows if row["dataset"] == name]
    np.testing.assert_allclose(told, expected_residual(name, prediction), rtol=1e-4)


@pytest.mark.parametrize("name", BOUNDARIES)
def test_a_prediction_for_arrays_reports_the_residual_of_its_problem(root, name):
    operator = load_operator(root / "run/checkpoints/last.ckpt")
    f, _, c = waves(BOUNDARIES[name])
    own = {of: values[4:] for of, values in c.items()}
    prediction, report = operator.predict(f[4:], report=True, problem=name, **own)
    np.testing.assert_allclose(report.pde_residual, expected_residual(name, prediction), rtol=1e-6)
