"""One's own arrays become a data set of ours and come out of it as they went in."""

import json
import pickle
import subprocess
import sys

import h5py
import numpy as np
import pytest
import torch
import yaml
from own_arrays import RNG, SPLIT, A, K, U, check
from torch.utils.data import DataLoader

from lightning_sciml import load_operator, read_dataset, write_dataset
from lightning_sciml.cli.main import main
from lightning_sciml.errors import InputError
from lightning_sciml.shards.description import describe
from lightning_sciml.shards.verification import verify_dataset

NAN_IN_4 = np.where(np.arange(6) == 4, np.nan, 0)[:, None, None]


def written(folder, **changes):
    arrays = {"inputs": {"a": A}, "outputs": {"u": U}, "coefficients": {"k": K}, "split": SPLIT}
    write_dataset(folder, **(arrays | changes))
    return folder


def test_samples_come_out_by_name_and_in_every_way_of_indexing(tmp_path):
    folder = written(tmp_path / "mine")
    check(folder)
    test = read_dataset(str(folder), "test")
    assert len(test) == 2
    assert list(test[0]) == ["a", "u", "k"]
    np.testing.assert_array_equal(test[0]["a"], A[4])
    assert test[-1]["k"] == 5.0
    for index in ([1, 0], np.array([1, 0]), slice(None, None, -1)):
        np.testing.assert_array_equal(test[index]["u"], U[[5, 4]])
    np.testing.assert_array_equal(test[np.array([False, True])]["u"], U[5:])
    assert test[[]]["u"].shape == (0, 8, 8)
    np.testing.assert_array_equal([sample["k"] for sample in test], [4, 5])
    for index in (2, -3, [0, 2], "u", np.zeros((1, 1), int)):
        with pytest.raises(IndexError):
            test[index]
    assert "fields                      a → u\n" in describe(folder)


def test_torchs_loader_takes_a_split_as_it_is(tmp_path):
    train = read_dataset(written(tmp_path / "mine"), "train")
    first, last = DataLoader(pickle.loads(pickle.dumps(train)), batch_size=2)
    assert first["a"].dtype == last["u"].dtype == torch.float32
    np.testing.assert_array_equal(torch.cat([first["u"], last["u"]]), U[:3])
    np.testing.assert_array_equal(first["k"], K[:2])


def test_a_split_is_a_dataset_of_xarray(tmp_path):
    found = read_dataset(written(tmp_path / "mine"), "val").to_xarray()
    assert dict(found.sizes) == {"sample": 1, "y": 8, "x": 8}
    np.testing.assert_array_equal(found["a"].isel(sample=0), A[3])
    assert found.attrs == {"name": "mine", "equation": "none", "split": "val"}


def test_a_field_called_like_an_axis_is_none_of_xarray(tmp_path):
    arrays = {"inputs": None, "outputs": None, "states": {"time": U[:, None].repeat(2, 1)}}
    dataset = read_dataset(written(tmp_path / "mine", **arrays), "val")
    with pytest.raises(InputError, match=r"mine has a field or coefficient time, which is an axis"):
        dataset.to_xarray()


def test_torch_is_not_loaded_for_arrays(tmp_path):
    code = (
        "import sys, numpy as np; from lightning_sciml import read_dataset, write_dataset;"
        "a = np.ones((2, 4, 4)); folder = sys.argv[1];"
        "write_dataset(folder, {'a': a}, {'u': a}, split={'train': 2});"
        "print(read_dataset(folder, 'train')[1]['u'].sum(), 'torch' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "set")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["16.0", "False"]


def test_lengths_may_be_an_array(tmp_path):
    folder = written(tmp_path / "mine", lengths=np.array([1, 2]))
    assert read_dataset(folder, "train").grid.lengths == (1.0, 2.0)


@pytest.mark.parametrize("dtype", ["f8", "f2", ">f4", ">f8", "i2", "?"])
def test_every_real_type_is_stored_as_float32(tmp_path, dtype):
    a = (10 * A).astype(dtype)
    check(written(tmp_path / "mine", inputs={"a": a}), a=a.astype("f4"))


def test_the_coefficients_of_an_equation_are_matched_by_name_and_checked(datasets, tmp_path):
    ours = read_dataset(datasets["poisson_1_5"], "train")[:8]
    numbers = {name: ours[name] for name in ("k12", "k11", "k22")}  # in another order
    arrays = {"inputs": {"f": ours["source"]}, "outputs": {"u": ours["solution"]}}
    arrays |= {"split": {"train": 8}, "equation": "poisson"}
    write_dataset(tmp_path / "set", **arrays, coefficients=numbers)
    assert verify_dataset(tmp_path / "set") == []
    np.testing.assert_array_equal(read_dataset(tmp_path / "set", "train")[:]["k11"], ours["k11"])
    with pytest.raises(InputError, match="sample 0 does not solve poisson"):
        write_dataset(tmp_path / "b", **arrays, coefficients=numbers | {"k11": 7.0})
    with pytest.raises(InputError, match=r"has the coefficients k11, k22, k12, .* has k11;"):
        write_dataset(tmp_path / "b", **arrays, coefficients={"k11": 7.0})


BAD = {
    "no input": ({"inputs": {}}, r"has inputs and outputs, or states .* got inputs \[\]"),
    "two grids": ({"inputs": {"a": A[:, :6, :6]}}, r"one shape .* a \(6, 6, 6\), u \(6, 8, 8\)"),
    "one axis": ({"inputs": {"a": A[:, 0]}, "outputs": {"u": U[:, 0]}}, r"the shape \(6, 8\), wan"),
    "channels": ({"inputs": {"a": A[:, None].repeat(2, 1)}}, r"shape \(6, 2, 8, 8\), wanted the"),
    "complex": ({"inputs": {"a": A + 1j}}, "a must hold real numbers, it holds complex"),
    "NaN": (
        {"outputs": {"u": U + NAN_IN_4}},
        "sample 4 has u with values",
    ),
    "beyond float32": (
        {"inputs": {"a": A.astype(float) * 1e40}},
        "sample 0 has a with values that are not fini",
    ),
    "NaN coefficient": ({"coefficients": {"k": [0, 1, np.inf, 3, 4, 5]}}, "sample 2 has k with va"),
    "coefficients": ({"coefficients": {"k": K[:2]}}, r"coefficient k has the shape \(2,\), wanted"),
    "a coordinate": ({"inputs": {"x": A}}, r"none is called x, y \(coordinates"),
    "one name": ({"coefficients": {"a": K}}, "names a, a, u; all must differ"),
    "a name": ({"inputs": {"a b": A}}, "got 'a b'; rename it"),
    "too few": ({"split": {"train": 3}}, "split must share the 6 samples among train, val, test"),
    "no train": ({"split": {"test": 6}}, "with at least one in train"),
    "valid": ({"split": {"train": 3, "valid": 3}}, "got {'train': 3, 'valid': 3}"),
    "no count": ({"split": {"train": 4.0, "val": 2.0}}, "split must be numbers of samples, "),
    "no split": ({"split": None}, "split must be numbers of samples, .* got None"),
    "no names": ({"inputs": [A]}, "inputs must be arrays by name, .* got <class 'list'>"),
    "a number as a name": ({"inputs": {1: A}}, "inputs: a name has letters, .* got '1'; rename"),
    "a name with =": ({"inputs": {"a=b": A}}, "inputs: a name has letters, .* got 'a=b'; rename"),
    "masked": ({"outputs": {"u": np.ma.masked_less(U, 0.5)}}, r"u has masked values, .* of 384;"),
    "rows": ({"coefficients": {"k": [[1], [2, 3]]}}, "k cannot be taken as an array: setting an"),
    "bfloat16": ({"outputs": {"u": torch.tensor(U).bfloat16()}}, "u cannot be taken as an array"),
    "one length": ({"lengths": 2.0}, "lengths must be two numbers, for y and for x, got 2.0"),
    "lengths as text": ({"lengths": "12"}, "lengths must be two numbers, .* got '12'"),
    "no boundary": ({"boundary": 3}, "boundary must be one word, or one for y and .*, got 3"),
    "times as text": (
        {"outputs": None, "states": {"u": U[:, None].repeat(2, 1)}, "times": [[0], [1, 2]]},
        "times cannot be taken as an array",
    ),
    "negative": ({"split": {"train": 8, "val": -2}}, "val must be at least 0, got -2"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_cannot_be_a_data_set_is_rejected_in_one_line_and_leaves_nothing(tmp_path, kind):
    changes, message = BAD[kind]
    with pytest.raises(InputError, match=message) as caught:
        written(tmp_path / "mine", **changes)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_own_arrays_are_trained_on_tested_and_predicted_by_name(tmp_path):
    """u = k a: a network of few steps shows that the input is used, files that names are kept."""
    k, a = RNG.uniform(1, 2, 24), RNG.standard_normal((24, 16, 16))
    arrays = {"inputs": {"a": a}, "outputs": {"u": k[:, None, None] * a}, "coefficients": {"k": k}}
    write_dataset(tmp_path / "mine", **arrays, split={"train": 16, "val": 4, "test": 4})
    network = {"num_channels": 4, "num_modes": 4, "num_blocks": 1}
    network |= {"input_fields": ["a", "x", "y"], "coefficient_names": ["k"]}
    module = {
        "network": {"class_path": "lightning_sciml.models.fno.FNO", "init_args": network},
        "normalization": "medians",
        "loss": "relative_l2",
    }
    trainer = {"accelerator": "cpu", "devices": 1, "max_epochs": 1, "logger": False}
    trainer |= {"enable_progress_bar": False, "enable_model_summary": False}
    tree = {
        "run_dir": str(tmp_path / "run"),
        "model": {"class_path": "PretrainingModule", "init_args": module},
        "data": {"datasets": [str(tmp_path / "mine")], "batch_size": 8},
        "trainer": trainer,
    }
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(tree))
    for verb in ("fit", "test", "predict"):
        main([verb, "--config", str(config)])
    assert json.loads((tmp_path / "run/test/mine.json").read_text())["relative_l2"]["mean"] > 0
    test = read_dataset(tmp_path / "mine", "test")[:]
    operator = load_operator(tmp_path / "run/checkpoints/best.ckpt")
    u, report = operator.predict({"a": test["a"]}, k=test["k"], report=True)
    with h5py.File(tmp_path / "run/predictions/mine-test.h5") as file:
        np.testing.assert_array_equal(u, np.squeeze(file["mine/prediction/u"][()]))
    assert report.pde_residual is None
    np.savez(tmp_path / "in.npz", **{name: test[name] for name in ("a", "k")})
    ckpt = ["--ckpt_path", str(tmp_path / "run/checkpoints/best.ckpt")]
    main(["predict", *ckpt, f"--input={tmp_path / 'in.npz'}", f"--output={tmp_path / 'u.npz'}"])
    with np.load(tmp_path / "u.npz") as file:
        np.testing.assert_array_equal(file["prediction"], u)
