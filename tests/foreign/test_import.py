"""Files of others, written to their published layouts, become data sets of ours."""

import json

import h5py
import numpy as np
import pytest
import yaml
from layout_files import darcy, write_pdebench, write_reference, write_well
from tiny_run import network, write_run

from lightning_sciml.cli.main import main
from lightning_sciml.errors import InputError
from lightning_sciml.foreign.asked import Asked
from lightning_sciml.foreign.conversion import import_dataset
from lightning_sciml.foreign.sample_writing import new_folder
from lightning_sciml.pde.steady import EQUATIONS
from lightning_sciml.shards.description import describe
from lightning_sciml.shards.reader import ShardedDataset
from lightning_sciml.shards.verification import verify_dataset
from lightning_sciml.streaming.datamodule import PDEDataModule


def imported(folder, train, *, num_val=0, num_test=0, **options):
    """Import one file, of which the end is for val and test."""
    cut = {"val": num_val, "test": num_test}
    import_dataset(folder, {"train": [train]}, num_cut=cut, asked=Asked(**options))
    return folder


def batch_of(*folders, **options):
    """All training samples, in the order of the data sets."""
    data = PDEDataModule([str(f) for f in folders], batch_size=1000, **options)
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    order = np.lexsort((batch.sample_index, batch.dataset))
    return data, batch.map(lambda tensor: tensor[order])


@pytest.mark.parametrize("name", ["poisson_1_5", "advection_diffusion_0p2_1", "helmholtz_1_10"])
def test_the_references_files_become_what_they_were_made_from(datasets, tmp_path, name):
    files = {}
    for split in ("train", "val", "test"):
        ours = ShardedDataset(datasets[name], split)
        everything = np.arange(len(ours))
        tensor = ours.coefficients(everything)
        if name.startswith("helmholtz"):
            tensor = np.column_stack([np.full(len(ours), 0.01), tensor])
        files[split] = [write_reference(tmp_path / f"{split}.h5", ours.fields(everything), tensor)]
    manifest = import_dataset(tmp_path / "set", files, num_cut={})
    source = ShardedDataset(datasets[name], "train").manifest
    assert manifest.equation == source.equation
    assert manifest.equation_parameters == source.equation_parameters
    assert manifest.coefficient_names == source.coefficient_names
    assert verify_dataset(tmp_path / "set") == []
    for split in files:
        one, other = (ShardedDataset(d, split) for d in (tmp_path / "set", datasets[name]))
        everything = np.arange(len(other))
        np.testing.assert_array_equal(one.fields(everything), other.fields(everything))
        np.testing.assert_allclose(
            one.coefficients(everything), other.coefficients(everything), rtol=1e-7
        )
        np.testing.assert_allclose(one.norms(everything), other.norms(everything), atol=1e-6)


def test_darcy_of_pdebench_is_read_as_permeability_and_pressure(tmp_path):
    a, u = darcy(num_samples=10, num_points=8, seed=0)
    path = write_pdebench(tmp_path / "2D_DarcyFlow_beta1.0_Train.hdf5", a, u)
    folder = imported(tmp_path / "darcy", path, num_val=2, num_test=1)
    data, batch = batch_of(folder)
    assert data.input_fields == ("nu",)
    assert data.coefficient_names == ("beta",)
    np.testing.assert_array_equal(batch.inputs[:, 0], a[:7].swapaxes(1, 2).astype("f4"))
    np.testing.assert_array_equal(batch.outputs[:, 0, 0], u[:7].swapaxes(1, 2).astype("f4"))
    np.testing.assert_array_equal(batch.coefficients, np.ones((7, 1)))
    for split, rows in (("val", slice(7, 9)), ("test", slice(9, 10))):
        fields = ShardedDataset(folder, split).fields(np.arange(rows.stop - rows.start))
        np.testing.assert_array_equal(fields[:, 1], u[rows].swapaxes(1, 2).astype("f4"))
    assert verify_dataset(folder) == []


def test_a_steady_map_of_the_well_is_read_with_all_its_fields(tmp_path):
    a, u = darcy(num_samples=5, num_points=8, seed=0)
    mask = np.arange(64.0).reshape(8, 8)
    folder = tmp_path / "darcy/data/train"
    folder.mkdir(parents=True)
    for part, rows in (("a", slice(0, 3)), ("b", slice(3, 5))):
        fields = {"permeability": a[rows], "mask": mask, "pressure": u[rows, None]}
        write_well(folder / f"{part}.hdf5", fields, inflow=np.arange(5.0)[rows])
    data, batch = batch_of(imported(tmp_path / "set", folder, num_val=1))
    assert data.input_fields == ("permeability", "mask")
    assert data.coefficient_names == ("inflow",)
    np.testing.assert_array_equal(batch.inputs[:, 0], a[:4].swapaxes(1, 2).astype("f4"))
    np.testing.assert_array_equal(batch.inputs[:, 1], np.stack([mask.T] * 4))
    np.testing.assert_array_equal(batch.outputs[:, 0, 0], u[:4].swapaxes(1, 2).astype("f4"))
    np.testing.assert_array_equal(batch.coefficients[:, 0], np.arange(4))


def test_fields_of_the_well_can_be_named(tmp_path):
    a, u = darcy(num_samples=3, num_points=8, seed=0)
    path = write_well(tmp_path / "f.hdf5", {"p": u[:, None], "q": 2 * u[:, None], "a": a})
    folder = imported(tmp_path / "set", path, num_val=1, inputs=["q", "a"], outputs=["p"])
    _, batch = batch_of(folder)
    np.testing.assert_allclose(batch.inputs[:, :1], 2 * batch.outputs[:, 0])


@pytest.mark.parametrize("cache", ["none", "memory"])
def test_a_mixture_matches_fields_by_name_and_fills_with_zeros(datasets, tmp_path, cache):
    a, u = darcy(num_samples=6, num_points=32, seed=0)
    folder = imported(tmp_path / "darcy", write_pdebench(tmp_path / "f.h5", a, u), num_val=1)
    data, batch = batch_of(datasets["poisson_1_5"], folder, cache=cache)
    assert data.input_fields == ("source", "nu")
    poisson = batch.dataset == 0
    expected = ShardedDataset(datasets["poisson_1_5"], "train").fields(np.arange(40))
    np.testing.assert_array_equal(batch.inputs[poisson, 0], expected[:, 0])
    np.testing.assert_array_equal(batch.outputs[poisson, 0, 0], expected[:, 1])
    assert not batch.inputs[poisson, 1].any()
    assert not batch.inputs[~poisson, 0].any()
    np.testing.assert_array_equal(batch.inputs[~poisson, 1], a[:5].swapaxes(1, 2).astype("f4"))


def darcy_training(tmp_path, num_samples):
    """A configuration of a training on permeabilities; the folder of the data."""
    a, u = darcy(num_samples=num_samples, num_points=16, seed=0)
    path = write_pdebench(tmp_path / "train.hdf5", a, u)
    folder = imported(tmp_path / "darcy", path, num_val=8, num_test=8)
    fno = network(["beta"], num_channels=8, input_fields=["nu", "x", "y"])
    module = {"network": fno, "normalization": "medians", "loss": "relative_l2"}
    adam = {"class_path": "torch.optim.Adam", "init_args": {"lr": 0.01}}
    config = write_run(
        tmp_path / "run",
        [folder],
        model={**module, "optimizer": adam},
        data={"batch_size": 16},
        trainer={"max_epochs": 30, "check_val_every_n_epoch": 10},
    )
    return config, folder


def test_a_network_learns_darcy_flow_from_the_permeability(tmp_path):
    config, folder = darcy_training(tmp_path, num_samples=144)
    for verb in ("fit", "test"):
        main([verb, "--config", str(config)])
    report = json.loads((tmp_path / "run/test/darcy.json").read_text())
    assert "pde_residual" not in report
    test = ShardedDataset(folder, "test").fields(np.arange(8))[:, 1]
    mean = ShardedDataset(folder, "train").fields(np.arange(128))[:, 1].mean(axis=0)
    of_mean = np.linalg.norm(test - mean, axis=(1, 2)) / np.linalg.norm(test, axis=(1, 2))
    assert report["relative_l2"]["mean"] < 0.5 * of_mean.mean()  # it has seen the input


@pytest.mark.parametrize(
    "option",
    [
        "augmentations=[square]",
        "augmentations=[superposition]",
        "coordinates=[lattice]",
        "coordinates=[square_average]",
    ],
)
def test_symmetries_of_an_equation_that_is_not_known_are_rejected(tmp_path, capsys, option):
    config, _ = darcy_training(tmp_path, num_samples=32)
    with pytest.raises(SystemExit):
        main(["fit", "--config", str(config), f"--model.init_args.{option}"])
    name, _, value = option.partition("=")
    assert capsys.readouterr().err.endswith(
        f"no equation is known of darcy, by which {name} {value[1:-1]} work; import the data again "
        f"with --equation NAME if they solve it, else train with --model.{name} '[]'\n"
    )


@pytest.mark.parametrize("normalization", ["paper", "dimensionless"])
def test_a_set_without_an_equation_is_not_divided_by_the_norm_of_a_source(
    tmp_path, capsys, normalization
):
    """Even where its input is called source."""
    config, _ = darcy_training(tmp_path, num_samples=32)
    a, u = darcy(num_samples=32, num_points=16, seed=0)
    path = write_well(tmp_path / "f.hdf5", {"source": a, "u": u[:, None]}, beta=np.ones(32))
    tree = yaml.safe_load(config.read_text())
    tree["data"]["datasets"] = [str(imported(tmp_path / "set", path, num_val=8))]
    tree["model"]["init_args"]["normalization"] = normalization
    tree["model"]["init_args"]["network"]["init_args"]["input_fields"] = ["source"]
    config.write_text(yaml.safe_dump(tree))
    with pytest.raises(SystemExit):
        main(["fit", "--config", str(config)])
    error = capsys.readouterr().err
    assert f"no equation is known of set, by which normalization {normalization} work" in error
    assert error.endswith("else train with --model.normalization standard\n")


def test_a_constant_coefficient_is_described_as_what_it_is(tmp_path):
    a, u = darcy(num_samples=4, num_points=8, seed=0)
    folder = imported(tmp_path / "set", write_pdebench(tmp_path / "f.h5", a, u, beta=1.0))
    assert "realised beta               1, constant\n" in describe(folder)


def test_equations_to_choose_from_are_those_that_are_known(capsys):
    with pytest.raises(SystemExit):
        main(["data", "import", "--help", "all"])
    listed = capsys.readouterr().out
    assert all(f"'{name}'" in listed for name in ("none", *EQUATIONS))


def damaged_darcy(path, kind):
    a, u = darcy(num_samples=4, num_points=8, seed=0)
    if kind == "not finite":
        u[2, 0, 0] = np.nan
    return write_pdebench(path, a, u)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("not finite", r"f.h5: sample 2 has \S+ with values that are not finite in float32"),
    ],
)
def test_files_that_cannot_be_used_are_rejected(tmp_path, kind, message):
    with pytest.raises(InputError, match=message):
        imported(tmp_path / "set", damaged_darcy(tmp_path / "f.h5", kind))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["f.h5"]


def test_unknown_layouts_are_rejected(tmp_path):
    _, u = darcy(num_samples=2, num_points=8, seed=0)
    two = write_well(tmp_path / "two.h5", {"u": u[:, None], "v": u[:, None]})
    with pytest.raises(InputError, match=r"has the fields \['u', 'v'\].*--inputs"):
        imported(tmp_path / "set", two)
    (tmp_path / "text.h5").write_text("no HDF5")
    with pytest.raises(InputError, match=r"text.h5 cannot be read as HDF5"):
        imported(tmp_path / "set", tmp_path / "text.h5")


def test_samples_that_solve_something_else_are_rejected_unless_no_equation_is_claimed(tmp_path):
    fields = np.random.default_rng(0).standard_normal((3, 2, 16, 16))
    path = write_reference(tmp_path / "f.h5", fields, np.ones((3, 3)))
    with pytest.raises(InputError, match=r"f.h5: sample 0 does not solve poisson: it differs"):
        imported(tmp_path / "set", path)
    named = {"fields": ["a", "b"], "inputs": ["a"], "outputs": ["b"], "equation": "none"}
    imported(tmp_path / "set", path, **named)
    with pytest.raises(InputError, match=r"exists and is not empty"):
        imported(tmp_path / "set", path, **named)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--train=[]"], "train, val or test must name at least one file or folder, got none"),
        (["--num_val=-3"], "num_val must be at least 0, got -3"),
        (["--num_test=-1"], "num_test must be at least 0, got -1"),
        (["--name=a/b"], "got 'a/b'"),
    ],
)
def test_invalid_imports_are_rejected_before_anything_is_written(tmp_path, words, message, capsys):
    a, u = darcy(num_samples=10, num_points=8, seed=0)
    path, folder = write_pdebench(tmp_path / "f.h5", a, u), tmp_path / "set"
    given = [] if words[0] == "--train=[]" else [f"--train=[{path}]"]  # repeated, they add up
    with pytest.raises(SystemExit) as stop:
        main(["data", "import", str(folder), *given, *words])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err
    assert not folder.exists()


def test_a_folder_that_cannot_be_written_is_rejected(tmp_path):
    a, u = darcy(num_samples=2, num_points=8, seed=0)
    with pytest.raises(InputError, match=r"f.h5/set cannot be written: Not a directory"):
        imported(tmp_path / "f.h5/set", write_pdebench(tmp_path / "f.h5", a, u))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"fields": (4, 8, 8)}, "something else under a name"),
        ({"fields": (4, 1, 8, 8)}, "one field a sample; wanted inputs and, last, the solution"),
        ({"fields": (4, 2, 8, 8), "tensor": (4,)}, "tensor has the shape"),
        ({"nu": (4, 1, 8, 8), "tensor": (4, 1, 8, 8)}, "something else under a name"),
        ({"t0_fields/u": (4, 8, 8)}, "has no dimensions"),
    ],
)
def test_other_arrays_under_the_names_of_a_layout_are_rejected(tmp_path, arrays, message):
    with h5py.File(tmp_path / "f.h5", "w") as file:
        for name, shape in arrays.items():
            file[name] = np.ones(shape)
    with pytest.raises(InputError, match=message):
        imported(tmp_path / "set", tmp_path / "f.h5")


def test_a_reason_of_several_lines_is_cut_to_one(tmp_path):
    with (
        pytest.raises(InputError, match=r"cannot be written: Can't close file; choose") as told,
        new_folder(tmp_path / "set"),
    ):
        raise OSError("Can't close file\n(time = now)")
    assert "\n" not in str(told.value)
    assert not list(tmp_path.iterdir())
