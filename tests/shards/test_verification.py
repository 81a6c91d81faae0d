"""A good data set has no fault; each fault is found and named."""

import shutil
from dataclasses import replace

import h5py
import numpy as np
import pytest
from edited_shards import edit_with_checksum, norms_of

from lightning_sciml.cli.main import main
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.shards.verification import verify_dataset


@pytest.fixture
def copy(datasets, tmp_path):
    return shutil.copytree(datasets["poisson_1_5"], tmp_path / "copy")


def test_generated_sets_are_good(datasets):
    assert [verify_dataset(folder) for folder in datasets.values()] == [[]] * len(datasets)


def test_a_flipped_byte_is_found(copy):
    path = copy / "train/00001.h5"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    (fault,) = verify_dataset(copy, jobs=2)
    assert "train/00001.h5: checksum of the payload" in fault


@pytest.mark.parametrize("factor", [1.01, np.nan])
def test_a_solution_that_solves_nothing_is_found(copy, factor):
    def scale(arrays):
        arrays["fields"][0, 1] *= factor
        arrays["norms"] = norms_of(arrays)

    edit_with_checksum(copy, "val/00000.h5", scale)
    *_, fault = verify_dataset(copy)
    assert "val/00000.h5: sample 0 differs from the solution in float64" in fault


def test_a_wrong_solution_is_found_on_a_set_of_tiny_coefficients(copy):
    """Store coefficients near 1e-32 and a large u, as κ = 1e-40 does: no tolerance grows with u."""

    def shrink(arrays):
        arrays["coefficients"] *= 1e-30
        arrays["fields"][:, 1] *= 1e30
        arrays["fields"][-1, 1] *= 10
        arrays["norms"] = norms_of(arrays)

    edit_with_checksum(copy, "val/00000.h5", shrink)
    (fault,) = verify_dataset(copy)
    assert "val/00000.h5: sample 12 differs from the solution in float64 by 9.0e+00" in fault


@pytest.mark.parametrize(("name", "column"), [("coefficients", 0), ("norms", 2)])
def test_numbers_that_are_not_finite_are_found_by_their_sample(copy, name, column):
    """Sample 2 is none of those whose solution is compared."""

    def spoil(arrays):
        arrays[name][2, column] = np.nan

    edit_with_checksum(copy, "val/00000.h5", spoil)
    (fault,) = verify_dataset(copy)
    assert f"val/00000.h5: sample 2 has {name} that are not finite" in fault


@pytest.mark.parametrize("value", [np.nan, np.inf, 1.0])
def test_fields_that_are_not_those_of_their_norms_are_found_by_their_sample(copy, value):
    def spoil(arrays):
        arrays["fields"][2, 0, 3, 4:6] += [value, -value]

    edit_with_checksum(copy, "val/00000.h5", spoil)
    (fault,) = verify_dataset(copy)
    assert "val/00000.h5: sample 2 has source_norm=" in fault


@pytest.mark.parametrize(
    ("equation", "said"),
    [("poisson", "is good"), ("none", "solutions are unchecked: no equation is known")],
)
def test_what_was_not_checked_is_said(copy, capsys, equation, said):
    manifest = Manifest.load(copy)
    for record in manifest.shards:
        edit_with_checksum(copy, record.file, lambda arrays: None)
    replace(manifest, equation=equation, equation_parameters={}).save(copy)
    if equation == "none":
        manifest = Manifest.load(copy)
        for record in manifest.shards:
            edit_with_checksum(copy, record.file, lambda arrays: None)
    main(["data", "verify", str(copy)])
    assert capsys.readouterr().out.rstrip().endswith(said)


def test_a_sample_that_cannot_be_checked_is_said(datasets, tmp_path, capsys):
    """So near to a resonance that rounding the source makes nearly all of its solution."""
    folder = shutil.copytree(datasets["helmholtz_1_10"], tmp_path / "resonant")
    x = np.arange(32) / 32

    def resonate(arrays):
        wave = 3e-7 * np.cos(2 * np.pi * x)
        omega = 0.01 * (2 * np.pi) ** 2 * (1 + 1e-13)
        arrays["coefficients"][0] = omega
        arrays["fields"][0, 0] = np.cos(4 * np.pi * x) + wave
        arrays["fields"][0, 1] = wave / (0.01 * (2 * np.pi) ** 2 - omega)
        arrays["norms"] = norms_of(arrays)

    edit_with_checksum(folder, "val/00000.h5", resonate)
    main(["data", "verify", str(folder)])
    said = capsys.readouterr().out
    assert "is good; solutions are unchecked: " in said
    assert "val/00000.h5: sample 0: rounding to float32 explains an error of " in said


@pytest.mark.parametrize("verb", ["describe", "verify", "plot", "bench"])
@pytest.mark.parametrize(
    ("folder", "problem"), [("", "a path is wanted, got ''"), ("nowhere", "does not exist")]
)
def test_a_data_set_that_is_not_there_is_one_line(verb, folder, problem, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["data", verb, folder])
    assert stop.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("sciml data: error: ")
    assert problem in said.err
    assert said.err.count("\n") == 1


def test_indices_out_of_order_are_found(copy):
    def swap(arrays):
        arrays["sample_index"][:2] = arrays["sample_index"][1::-1]

    edit_with_checksum(copy, "train/00000.h5", swap)
    (fault,) = verify_dataset(copy)
    assert "its sample indices are not 0 … 15" in fault


def test_a_training_sample_in_the_test_split_is_found(copy):
    with h5py.File(copy / "train/00000.h5") as shard:
        leaked = {name: shard[name][3] for name in shard if name != "sample_index"}

    def leak(arrays):
        for name, values in leaked.items():
            arrays[name][5] = values

    edit_with_checksum(copy, "test/00000.h5", leak)
    assert verify_dataset(copy) == ["sample 5 of test is sample 3 of train once more"]
