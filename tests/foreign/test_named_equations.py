"""An import names any equation that the library knows, and has the fields of it."""

from typing import get_args

import numpy as np
import pytest
from import_command import import_
from own_arrays import A, K, U

from lightning_sciml import read_dataset, write_dataset
from lightning_sciml.cli.import_data import EquationName
from lightning_sciml.errors import InputError
from lightning_sciml.pde.darcy import Darcy
from lightning_sciml.pde.linear_evolution import Heat
from lightning_sciml.pde.named_equation import EQUATION_NAMES
from lightning_sciml.shards.verification import verify_dataset
from lightning_sciml.streaming.mixture_member import equation_of

STATES = np.stack([A, U], axis=1)
HEAT = {
    "states": {"u": STATES},
    "coefficients": {"k22": 1.0, "k11": 2.0, "k12": 0.0},  # in another order, on purpose
    "equation": "heat",
    "split": {"train": 6},
}
DARCY = {"inputs": {"a": A}, "outputs": {"u": U}, "equation": "darcy", "split": {"train": 6}}


def test_imports_take_every_equation_of_the_library():
    assert {*get_args(EquationName)} == {"none", *EQUATION_NAMES}


def test_darcy_flow_and_evolutions_are_known_again_after_an_import(tmp_path):
    np.savez(tmp_path / "f.npz", a=A, u=U, s=STATES, k11=K, k22=K, k12=K)
    files, cut = [tmp_path / "f.npz"], ["--num_val=1", "--num_test=1"]
    names = ["--inputs=diffusivity=a", "--outputs=u", "--equation=darcy"]
    darcy = import_(tmp_path / "darcy", files, *names, *cut)
    names = ["--states=u=s", "--coefficients=[k22, k12, k11]", "--equation=heat"]
    heat = import_(tmp_path / "heat", files, *names, *cut)
    found = [equation_of(read_dataset(folder, "train").manifest) for folder in (darcy, heat)]
    assert found == [Darcy(()), Heat()]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (DARCY, r"has the inputs diffusivity and, .* the inputs \['a'\] .* diffusivity=STORED\)"),
        (HEAT | {"states": {"w": STATES}}, r"heat has the states u and .* states \['w'\]; nam"),
        (HEAT | {"inputs": {"a": A}}, r"heat has the states u and no inputs; .* inputs \['a'\]"),
        (HEAT | {"coefficients": {"k11": 1.0}}, "coefficients k11, k22, k12, .* has k11; give"),
        (HEAT | {"boundary": "dirichlet"}, "heat is known on periodic rectangles"),
    ],
)
def test_other_fields_than_those_of_the_equation_are_rejected(tmp_path, arrays, message):
    with pytest.raises(InputError, match=message):
        write_dataset(tmp_path / "set", **arrays)


def finite_differences():
    """Solutions of -κΔu = f on 16² points by differences of second order, and κ as a tensor."""
    rng, N, kappa = np.random.default_rng(0), 16, 0.5
    k = np.fft.fftfreq(N, 1 / N)
    symbol = kappa * (2 * N * np.sin(np.pi * k / N)) ** 2
    symbol = symbol + symbol[:, None]
    f_hat = np.fft.fft2(rng.normal(size=(6, N, N))) * (np.hypot(k, k[:, None]) < 3)
    f_hat[:, 0, 0], symbol[0, 0] = 0, 1
    f, u = (np.fft.ifft2(hat).real for hat in (f_hat, f_hat / symbol))
    return f, u, {"k11": kappa, "k22": kappa, "k12": 0.0}


def test_solutions_of_finite_differences_pass_by_a_tolerance_that_is_kept(tmp_path):
    f, u, numbers = finite_differences()
    options = {"coefficients": numbers, "split": {"train": 6}, "equation": "poisson"}
    with pytest.raises(InputError, match=r"does not solve poisson.* --tolerance 0\.0\d if") as e:
        write_dataset(tmp_path / "set", {"f": f}, {"u": u}, **options)
    tolerance = float(str(e.value).partition("--tolerance ")[2].partition(" ")[0])
    write_dataset(tmp_path / "set", {"f": f}, {"u": u}, **options, tolerance=tolerance)
    manifest = read_dataset(tmp_path / "set", "train").manifest
    assert (manifest.equation, manifest.config["tolerance"]) == ("poisson", tolerance)
    assert verify_dataset(tmp_path / "set") == []
    with pytest.raises(InputError, match=r"does not solve poisson.*the tolerance is 0\.002; give"):
        write_dataset(tmp_path / "b", {"f": f}, {"u": u}, **options, tolerance=2e-3)
    with pytest.raises(InputError, match="differs from the solution"):
        write_dataset(tmp_path / "b", {"f": f}, {"u": 1.2 * u}, **options, tolerance=tolerance)


def test_a_tolerance_is_small_and_that_of_a_check(tmp_path):
    with pytest.raises(InputError, match=r"tolerance must lie in 0 … 0\.1, .* got 0\.5"):
        write_dataset(tmp_path / "set", **DARCY, tolerance=0.5)
    with pytest.raises(InputError, match="equation heat, which is not checked; leave tolerance"):
        write_dataset(tmp_path / "set", **HEAT, tolerance=0.01)
