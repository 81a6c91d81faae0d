"""The Well's own class reads what an export has written, and an import takes it back."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml
from exported_sets import STATES, assert_same, flow_over_a_bed, steady_map, written

from lightning_sciml import read_dataset
from lightning_sciml.errors import InputError
from lightning_sciml.foreign.conversion import import_dataset
from lightning_sciml.foreign.export import export_dataset
from lightning_sciml.foreign.well_export import stored_fields
from lightning_sciml.shards.verification import verify_dataset

the_well = pytest.importorskip("the_well.data")
SPLITS = {"train": "train", "val": "valid", "test": "test"}


def exported(tmp_path_factory, made):
    """A set and its export."""
    folder = tmp_path_factory.mktemp("sets")
    ours = made(folder / "ours")
    export_dataset(ours, folder / "well", "well")
    return ours, folder / "well"


@pytest.fixture(scope="module")
def flow(tmp_path_factory):
    return exported(tmp_path_factory, flow_over_a_bed)


@pytest.fixture(scope="module")
def steady(tmp_path_factory):
    return exported(tmp_path_factory, steady_map)


@pytest.mark.parametrize(("split", "theirs"), SPLITS.items())
def test_well_dataset_reads_the_same_values(flow, split, theirs):
    ours, folder = flow
    samples = read_dataset(ours, split)
    windows = the_well.WellDataset(path=str(folder), well_split_name=theirs)
    assert windows.metadata.field_names == {0: ["density"], 1: ["velocity_x", "velocity_y"], 2: []}
    assert windows.metadata.constant_field_names == {0: ["bed"], 1: [], 2: []}
    assert windows.metadata.constant_scalar_names == ["nu", "beta"]
    assert len(windows) == len(samples) * 3
    for index in range(len(windows)):
        window, sample, first = windows[index], samples[index // 3], index % 3
        names = ["density", "velocity_x", "velocity_y"]
        states = np.stack([sample[name] for name in names], axis=-1).swapaxes(1, 2)
        found = np.concatenate([window["input_fields"], window["output_fields"]])
        np.testing.assert_array_equal(found, states[first : first + 2])
        np.testing.assert_array_equal(window["constant_fields"][..., 0], sample["bed"].T)
        np.testing.assert_array_equal(window["constant_scalars"], [sample["nu"], sample["beta"]])
        np.testing.assert_array_equal(window["boundary_conditions"], [[2, 2], [0, 0]])


def test_well_dataset_finds_the_places_of_the_points(flow):
    window = the_well.WellDataset(path=str(flow[1]), well_split_name="train")[0]
    x, y = window["space_grid"][:, 0, 0], window["space_grid"][0, :, 1]
    np.testing.assert_allclose(x, np.arange(10) * 2 * np.pi / 10, rtol=1e-6)
    np.testing.assert_allclose(y, (np.arange(6) + 0.5) * 1.3 / 6, rtol=1e-6)
    np.testing.assert_allclose(window["output_time_grid"], [0.1], rtol=1e-6)


def test_the_statistics_are_those_of_train(flow):
    ours, folder = flow
    train = read_dataset(ours, "train")[:]
    statistics = yaml.safe_load((folder / "stats.yaml").read_text())
    assert statistics["std"]["bed"] == pytest.approx(train["bed"].std(), rel=1e-5)
    for place, name in enumerate(["velocity_x", "velocity_y"]):
        for suffix, of in (("", train[name]), ("_delta", np.diff(train[name], axis=1))):
            kinds = [f"{kind}{suffix}" for kind in ("mean", "std", "rms")]
            found = [statistics[kind]["velocity"][place] for kind in kinds]
            wanted = [of.mean(), of.std(), np.sqrt(np.square(of).mean())]
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("normalization", ["ZScoreNormalization", "RMSNormalization"])
def test_well_dataset_normalises(flow, normalization):
    from the_well.data import normalization as kinds

    ours, folder = flow
    options = {"use_normalization": True, "normalization_type": getattr(kinds, normalization)}
    windows = the_well.WellDataset(path=str(folder), well_split_name="train", **options)
    density, train = (
        windows[0]["input_fields"][0, ..., 0],
        read_dataset(ours, "train")[:]["density"],
    )
    centre = train.mean() if normalization == "ZScoreNormalization" else 0.0
    scale = np.sqrt(np.square(train - centre).mean())
    np.testing.assert_allclose(density, (train[0, 0].T - centre) / scale, atol=1e-5)


def test_well_dataset_reads_a_steady_set_as_one_time(steady):
    ours, folder = steady
    windows = the_well.WellDataset(path=str(folder), well_split_name="test", n_steps_output=0)
    assert len(windows) == 2
    for window, sample in zip([windows[0], windows[1]], read_dataset(ours, "test"), strict=True):
        np.testing.assert_array_equal(window["constant_fields"][..., 0], sample["a"].T)
        np.testing.assert_array_equal(window["input_fields"][0, ..., 0], sample["u"].T)


@pytest.mark.parametrize("kind", ["flow", "steady"])
def test_what_goes_to_the_well_comes_back(kind, tmp_path, request):
    ours, folder = request.getfixturevalue(kind)
    files = {split: [folder / "data" / theirs] for split, theirs in SPLITS.items()}
    import_dataset(tmp_path / "back", files, num_cut={})
    assert_same(tmp_path / "back", ours)


def test_times_that_float32_does_not_tell_apart_are_kept_in_float64(tmp_path):
    times = (1000.0, 1000.00001, 1000.00002, 1000.00003)
    written(tmp_path / "ours", states=STATES, times=times)
    export_dataset(tmp_path / "ours", tmp_path / "well", "well")
    window = the_well.WellDataset(path=str(tmp_path / "well"), well_split_name="train")[0]
    np.testing.assert_allclose(window["output_time_grid"], [1e-5], rtol=1e-4)
    files = {split: [tmp_path / "well/data" / theirs] for split, theirs in SPLITS.items()}
    import_dataset(tmp_path / "back", files, num_cut={})
    assert_same(tmp_path / "back", tmp_path / "ours")


def test_an_equation_comes_back_with_its_parameters_and_is_checked(datasets, tmp_path):
    ours = datasets["helmholtz_1_10"]
    export_dataset(ours, tmp_path / "well", "well")
    files = {split: [tmp_path / "well/data" / theirs] for split, theirs in SPLITS.items()}
    import_dataset(tmp_path / "back", files, num_cut={})
    one, other = (read_dataset(folder, "test") for folder in (ours, tmp_path / "back"))
    for name, values in one[:].items():
        np.testing.assert_array_equal(other[:][name], values)
    assert other.manifest.equation == "helmholtz"
    assert other.manifest.equation_parameters == one.manifest.equation_parameters
    assert verify_dataset(tmp_path / "back") == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("[6, 10]", "[10, 6]"), "plan of another set, ours"),
        (("[0.0, 0.1, ", "[0.0, "), "plan of another set, ours"),
        (('"nu", ', ""), "plan of another set, ours"),
        (("neumann", "round"), "damaged plan: .*remove the attribute"),
        (("{", "["), "damaged plan"),
    ],
)
def test_a_plan_that_is_not_of_the_file_is_rejected(flow, tmp_path, change, message):
    path = shutil.copy(flow[1] / "data/train/ours.hdf5", tmp_path)
    with h5py.File(path, "r+") as file:
        text = file.attrs["lightning_sciml_plan"]
        assert change[0] in text
        file.attrs["lightning_sciml_plan"] = text.replace(*change)
    with pytest.raises(InputError, match=message):
        import_dataset(tmp_path / "back", {"train": [Path(path)]}, num_cut={"val": 1, "test": 1})
    assert not (tmp_path / "back").exists()


@pytest.mark.parametrize(
    ("names", "others", "stored"),
    [
        (("u_y", "p", "u_x"), (), {"u": ("u_x", "u_y"), "p": ("p",)}),
        (("u_x", "u_y", "u"), (), {"u_x": ("u_x",), "u_y": ("u_y",), "u": ("u",)}),
        (("u_x", "u_y"), ("u",), {"u_x": ("u_x",), "u_y": ("u_y",)}),
        (("u_x",), ("u_y",), {"u_x": ("u_x",)}),
        (("_x", "_y"), (), {"_x": ("_x",), "_y": ("_y",)}),
    ],
)
def test_a_vector_has_both_components_and_a_name_of_its_own(names, others, stored):
    assert stored_fields(names, others) == stored
