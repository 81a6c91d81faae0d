"""What a layout does not say is asked of the user, and names that do not fit are rejected."""

import numpy as np
import pytest
from layout_files import darcy, write_reference, write_well
from small_files import NAMED, imported, steady_map, three_fields

from lightning_sciml.errors import InputError
from lightning_sciml.foreign.asked import Asked
from lightning_sciml.shards.reader import ShardedDataset
from lightning_sciml.shards.verification import verify_dataset


def test_one_input_and_two_outputs_are_told_apart_by_the_user(tmp_path):
    path, fields = three_fields(tmp_path / "f.h5")
    with pytest.raises(
        InputError, match=r"has 3 fields a sample without names .* --fields '\[NAME"
    ):
        imported(tmp_path / "set", path)
    manifest = imported(tmp_path / "set", path, asked=NAMED)
    assert manifest.input_fields == ("a",)
    assert manifest.output_fields == ("c",)
    found = ShardedDataset(tmp_path / "set", "train").fields(np.arange(4))
    np.testing.assert_array_equal(found, fields[:, [0, 2]])


@pytest.mark.parametrize("columns", [0, 4, 3])
def test_a_permeability_is_not_taken_for_a_source(tmp_path, columns):
    """No coefficients, unknown ones, or those of an equation that the user denies."""
    a, u = darcy(num_samples=4, num_points=8, seed=0)
    path = write_reference(tmp_path / "f.h5", np.stack([a, u], axis=1), np.ones((4, columns)))
    denied = Asked(equation="none" if columns == 3 else None)
    with pytest.raises(InputError, match="without names and without an equation"):
        imported(tmp_path / "set", path, asked=denied)
    asked = Asked(fields=["nu", "u"], inputs=["nu"], outputs=["u"])
    assert imported(tmp_path / "set", path, asked=asked).input_fields == ("nu",)


@pytest.mark.parametrize(
    "asked",
    [
        Asked(fields=["a", "b"], inputs=["a"], outputs=["b"]),
        Asked(fields=["a", "a", "b"], inputs=["a"], outputs=["b"]),
        Asked(fields=["a", "b", "c"], inputs=["a"]),
        Asked(fields=["a", "b", "c"], inputs=["a", "a"], outputs=["c"]),
        Asked(fields=["a", "b", "c"], inputs=["a", "c"], outputs=["c"]),
        Asked(fields=["a", "b", "c"], inputs=["d"], outputs=["c"]),
        Asked(fields=["solution", "b", "c"], inputs=["solution"], outputs=["c"]),
        Asked(fields=["a", "b", "c"], inputs=["a"], outputs=["c"], equation="poisson"),
    ],
)
def test_names_that_do_not_fit_are_rejected(tmp_path, asked):
    path, _ = three_fields(tmp_path / "f.h5")
    with pytest.raises(InputError, match=r"f\.h5 has"):
        imported(tmp_path / "set", path, asked=asked)


def test_a_solution_is_no_input_of_a_file_of_the_well(tmp_path):
    asked = Asked(inputs=["a", "u"], outputs=["u"])
    with pytest.raises(InputError, match="and other fields as outputs"):
        imported(tmp_path / "set", steady_map(tmp_path / "f.h5"), asked=asked)


def test_the_input_of_a_known_equation_is_its_source(datasets, tmp_path):
    """And two inputs are not."""
    ours = ShardedDataset(datasets["helmholtz_1_10"], "train")
    everything = np.arange(len(ours))
    f, u = ours.fields(everything).swapaxes(2, 3).swapaxes(0, 1)
    path = tmp_path / "f.h5"
    omega, periodic = ours.coefficients(everything)[:, 0], ("PERIODIC", "PERIODIC")
    write_well(path, {"f": f, "u": u[:, None]}, boundary=periodic, omega=omega)
    manifest = imported(tmp_path / "set", path, asked=Asked(equation="helmholtz"))
    assert manifest.input_fields == ("source",)
    assert verify_dataset(tmp_path / "set") == []
    write_well(path, {"f": f, "u": u[:, None]}, omega=omega)
    with pytest.raises(InputError, match="periodic or between dirichlet or neumann walls"):
        imported(tmp_path / "other", path, asked=Asked(equation="helmholtz"))
    write_well(path, {"f": f, "g": f, "u": u[:, None]}, boundary=periodic, omega=omega)
    with pytest.raises(InputError, match="has one input, the source"):
        imported(tmp_path / "other", path, asked=Asked(equation="helmholtz"))
