"""Shapes that do not fit are answered by an order of the axes in which they would."""

import re
import shlex

import numpy as np
import pytest
from import_command import import_, rejected
from scipy.io import savemat

from lightning_sciml import read_dataset

RNG = np.random.default_rng(0)
FIELDS = RNG.random((2, 4, 6, 20))  # y, x, samples
NAMED = ["--inputs=f", "--outputs=u", "--coefficients=[spring]"]


@pytest.fixture
def mine(tmp_path):
    savemat(tmp_path / "m.mat", {"f": FIELDS[0], "u": FIELDS[1], "spring": RNG.random((1, 20))})
    return tmp_path / "m.mat"


def test_numbers_of_samples_that_are_the_last_axis_name_the_order(tmp_path, mine, capsys):
    error = rejected(capsys, tmp_path / "set", [mine], *NAMED)
    assert "spring has the shape (1, 20), wanted one number, or one for each of the 4" in error
    (order,) = re.findall(r"--axes (\w+)", error)
    folder = import_(tmp_path / "set", [mine], *NAMED, "--axes", order, "--num_val=2")
    np.testing.assert_array_equal(
        read_dataset(folder, "train")[:]["f"], FIELDS[0, :, :, :18].transpose(2, 0, 1).astype("f4")
    )


def test_the_line_to_type_has_the_order_and_is_imported(tmp_path, mine, capsys):
    error = rejected(capsys, tmp_path / "set", [mine])
    words = shlex.split(error.partition("for example: ")[2])
    assert words[-2:] == ["--axes", "yxn"]
    import_(tmp_path / "set", [mine], *words[5:])
    assert read_dataset(tmp_path / "set", "train").grid.shape == (4, 6)


def test_shapes_that_tell_nothing_show_the_order_that_is_taken(tmp_path, capsys):
    np.savez(tmp_path / "f.npz", f=FIELDS[0], u=FIELDS[1])
    error = rejected(capsys, tmp_path / "set", [tmp_path / "f.npz"])
    assert error.endswith("--axes nyx")


def test_fields_of_several_shapes_are_told_of_axes(tmp_path, capsys):
    np.savez(tmp_path / "f.npz", f=FIELDS[0], u=FIELDS[1, :, :, :3])
    error = rejected(capsys, tmp_path / "set", [tmp_path / "f.npz"], *NAMED[:2])
    assert "if the axes have another order, name it by --axes, for example yxn" in error
