"""One's own arrays become a data set of ours and come out of it as they went in."""

import json
import os
import pickle
import shlex
import signal
import subprocess
import sys

import h5py
import numpy as np
import pytest
import torch
import yaml
from scipy.io import savemat
from torch.utils.data import DataLoader

from lightning_sciml import load_operator, read_dataset, write_dataset
from lightning_sciml.cli.main import main
from lightning_sciml.errors import InputError
from lightning_sciml.foreign.conversion import import_dataset
from lightning_sciml.foreign.steady_map import Asked
from lightning_sciml.shards.description import describe
from lightning_sciml.shards.verification import verify_dataset

RNG = np.random.default_rng(0)
A, U, K = RNG.random((6, 8, 8), "f4"), RNG.random((6, 8, 8), "f4"), np.arange(6.0)
NAN_IN_4 = np.where(np.arange(6) == 4, np.nan, 0)[:, None, None]
NO_CUT = {"val": 0, "test": 0}
SPLIT = {"train": 3, "val": 1, "test": 2}


def written(folder, **changes):
    arrays = {"inputs": {"a": A}, "outputs": {"u": U}, "coefficients": {"k": K}, "split": SPLIT}
    write_dataset(folder, **(arrays | changes))
    return folder


def check(folder, a=A, u=U, k=K):
    """All samples are those of the arrays, in the order of the splits."""
    found = [read_dataset(folder, split)[:] for split in SPLIT]
    for name, array in {"a": a, "u": u, "k": k}.items():
        np.testing.assert_array_equal(np.concatenate([part[name] for part in found]), array)
    assert verify_dataset(folder) == []


# In Python


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
    pytest.importorskip("xarray")
    found = read_dataset(written(tmp_path / "mine"), "val").to_xarray()
    assert dict(found.sizes) == {"sample": 1, "y": 8, "x": 8}
    np.testing.assert_array_equal(found["a"].isel(sample=0), A[3])
    assert found.attrs == {"name": "mine", "equation": "none", "split": "val"}


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
    "two outputs": ({"outputs": {"u": U, "v": U}}, "2 output fields, u, v; a data set has one"),
    "no input": ({"inputs": {}}, "inputs and outputs must name at least one array"),
    "not square": ({"inputs": {"a": A[:, :6]}, "outputs": {"u": U[:, :6]}}, "grid of 8x6 points"),
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
    "a coordinate": ({"inputs": {"x": A}}, r"no input is called x, y \(coordinates"),
    "one name": ({"coefficients": {"a": K}}, "names a, a, u; all must differ"),
    "a name": ({"inputs": {"a b": A}}, "got 'a b'; rename it"),
    "too few": ({"split": {"train": 3}}, "split must share the 6 samples among train, val, test"),
    "no train": ({"split": {"test": 6}}, "with at least one in train"),
    "valid": ({"split": {"train": 3, "valid": 3}}, "got {'train': 3, 'valid': 3}"),
    "negative": ({"split": {"train": 8, "val": -2}}, "val must be at least 0, got -2"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_cannot_be_a_data_set_is_rejected_in_one_line_and_leaves_nothing(tmp_path, kind):
    changes, message = BAD[kind]
    with pytest.raises(InputError, match=message) as caught:
        written(tmp_path / "mine", **changes)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


# From files


def npz(folder, a, u, k):
    np.savez_compressed(folder / "f.npz", a=a, sol=u.astype(">f8"), k=k)
    return [folder / "f.npz"]


def npy(folder, a, u, k):
    for name, array in {"a": a, "sol": np.asfortranarray(u), "k": k}.items():
        np.save(folder / f"{name}.npy", array)
    return [folder / f"{name}.npy" for name in ("a", "sol", "k")]


def mat_5(folder, a, u, k):
    savemat(folder / "f.mat", {"a": a.astype("f8"), "sol": u, "k": k, "note": "text"})
    return [folder / "f.mat"]


def mat_73(folder, a, u, k):
    """Write a file as MATLAB 7.3 does: axes reversed, behind a block of 512 bytes, k as a row."""
    with h5py.File(folder / "f.mat", "w", userblock_size=512) as file:
        for name, array in {"a": a, "sol": u, "k": k[None]}.items():
            file.create_dataset(name, data=array.T, chunks=True, compression="gzip")
            file[name].attrs["MATLAB_class"] = np.bytes_("double")
        file["#refs#/b"] = np.zeros((6, 8, 8))
    with (folder / "f.mat").open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(512))
    return [folder / "f.mat"]


def pt(folder, a, u, k):
    tensors = {"a": torch.tensor(a), "sol": torch.tensor(u).double()[:, None], "k": torch.tensor(k)}
    torch.save(tensors | {"epoch": 3}, folder / "f.pt")
    return [folder / "f.pt"]


def hdf5(folder, a, u, k):
    with h5py.File(folder / "f.h5", "w") as file:
        file.create_dataset("a", data=a.astype(">f8"), chunks=(2, 8, 4), compression="lzf")
        file.create_dataset("sol", data=u[..., None], shuffle=True, compression="gzip")
        file["k"] = k[:, None]
    return [folder / "f.h5"]


FORMATS = {f.__name__: f for f in (npz, npy, mat_5, mat_73, pt, hdf5)}
NAMED = ["--inputs=a", "--outputs=u=sol", "--coefficients=k"]
CUT = ["--num_val=1", "--num_test=2"]


def import_(folder, paths, *words, val=None):
    main(["data", "import", str(folder), f"--train=[{','.join(map(str, paths))}]", *words])
    return folder


def rejected(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        import_(*arguments)
    assert stop.value.code == 2
    error = [line for line in capsys.readouterr().err.splitlines() if "error: " in line]
    assert len(error) == 1
    return error[0]


@pytest.mark.parametrize("kind", FORMATS)
def test_named_arrays_of_a_file_are_those_of_the_data_set(tmp_path, kind, capsys):
    paths = FORMATS[kind](tmp_path, A, U, K)
    check(import_(tmp_path / "set", paths, *NAMED, *CUT))
    assert "fields                      a → u\n" in capsys.readouterr().out
    assert read_dataset(tmp_path / "set", "train").manifest.config["layout"] == "arrays"


@pytest.mark.parametrize(
    ("kind", "axes"), [("npz", "nxy"), ("mat_5", "yxn"), ("mat_73", "xyn"), ("pt", "nxy")]
)
def test_another_order_of_the_axes_is_told(tmp_path, kind, axes, capsys):
    order = ["nyx".index(letter) for letter in axes]
    paths = FORMATS[kind](tmp_path, A.transpose(order), U.transpose(order), K)
    check(import_(tmp_path / "set", paths, *NAMED, *CUT, f"--axes={axes}"))
    taken = ", ".join({"n": "samples"}.get(letter, letter) for letter in axes)
    assert f"The axes of the arrays were taken as {taken}. If" in capsys.readouterr().out
    assert f"config.axes                 {taken}\n" in describe(tmp_path / "set")


def test_one_sample_and_axes_of_length_one_are_told_apart(tmp_path):
    np.savez(tmp_path / "f.npz", a=A[:1], sol=U[:1, None])
    import_(tmp_path / "set", [tmp_path / "f.npz"], *NAMED[:2])
    np.testing.assert_array_equal(read_dataset(tmp_path / "set", "train")[:]["u"], U[:1])


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_of_no_known_layout_is_rejected_with_the_line_to_type(tmp_path, kind, capsys):
    paths = FORMATS[kind](tmp_path, A, U, K)
    error = rejected(capsys, tmp_path / "set", paths, *CUT)
    assert "a (6, 8, 8)" in error
    assert "sol (6, " in error
    assert "refs" not in error
    line = shlex.split(error.partition("for example: ")[2])
    assert line[-4:] == ["--inputs", "a=a", "--outputs", "u=sol"]
    main(line[1:])
    np.testing.assert_array_equal(read_dataset(tmp_path / "set", "test")[:]["u"], U[4:])


def test_a_line_to_type_cuts_off_samples_for_the_other_splits(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = [path.relative_to(tmp_path) for path in npy(tmp_path, A, U, K)]
    error = rejected(capsys, "one", paths[:1])
    assert "error: a.npy holds a (6, 8, 8), in no known layout" in error
    assert error.endswith("--inputs a=a --outputs u=STORED")
    error = rejected(capsys, "set", paths)
    assert "error: a.npy, sol.npy, k.npy holds" in error
    main(shlex.split(error.partition("for example: ")[2])[1:])
    manifest = read_dataset("set", "val").manifest
    assert manifest.num_samples == {"train": 4, "val": 1, "test": 1}
    assert manifest.config["files"]["train"] == ["a.npy", "sol.npy", "k.npy"]


def test_the_line_to_type_has_samples_last_where_the_shape_says_so(tmp_path, capsys):
    paths = mat_5(tmp_path, A.transpose(1, 2, 0), U.transpose(1, 2, 0), K)
    error = rejected(capsys, tmp_path / "set", paths, *CUT)
    main(shlex.split(error.partition("for example: ")[2])[1:])
    np.testing.assert_array_equal(read_dataset(tmp_path / "set", "test")[:]["u"], U[4:])


def crash(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("reader", ["whosmat", "loadmat"])
def test_a_crash_of_the_reader_of_a_mat_file_is_one_line(tmp_path, capsys, monkeypatch, reader):
    paths = mat_5(tmp_path, A, U, K)
    monkeypatch.setattr(f"scipy.io.{reader}", crash)
    assert "f.mat: " in rejected(capsys, tmp_path / "set", paths, *NAMED)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_sample_that_is_not_finite_is_named(tmp_path, kind, capsys):
    paths = FORMATS[kind](tmp_path, A, U + NAN_IN_4, K)
    error = rejected(capsys, tmp_path / "set", paths, *NAMED)
    assert ": sample 4 has u with values that are not finite" in error
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize("kind", FORMATS)
def test_an_array_that_is_not_there_is_named_beside_those_that_are(tmp_path, kind, capsys):
    paths = FORMATS[kind](tmp_path, A, U, K)
    error = rejected(capsys, tmp_path / "set", paths, "--inputs=b", "--outputs=sol")
    assert "holds" in error
    assert "there is no b, name others" in error


@pytest.mark.parametrize("kind", FORMATS)
def test_damaged_files_end_in_one_line(tmp_path, kind, capsys):
    paths = FORMATS[kind](tmp_path, A, U, K)
    content = paths[0].read_bytes()
    for damaged in (content[: len(content) // 2], b"", b"text", content[:3]):
        paths[0].write_bytes(damaged)
        error = rejected(capsys, tmp_path / "set", paths, *NAMED)
        assert paths[0].name in error
    paths[0].unlink()
    os.mkfifo(paths[0])
    assert "must be a file" in rejected(capsys, tmp_path / "set", paths, *NAMED)


@pytest.mark.parametrize("kind", ["npz", "npy", "pt", "mat_5"])
def test_a_flipped_bit_ends_in_one_line_or_is_data(tmp_path, kind):
    paths, rng = FORMATS[kind](tmp_path, A, U, K), np.random.default_rng(0)
    asked = Asked(inputs=["a"], outputs=["u=sol"], coefficients=["k"])
    content, messages = paths[0].read_bytes(), []
    for number in range(20):
        damaged = bytearray(content)
        damaged[rng.integers(min(400, len(content)))] ^= 1 << rng.integers(8)  # most is header
        paths[0].write_bytes(damaged)
        try:
            import_dataset(tmp_path / f"{number}", {"train": paths}, num_cut=NO_CUT, asked=asked)
        except InputError as error:
            messages.append(str(error))
    assert messages
    assert all("\n" not in message and paths[0].name in message for message in messages)


class Planted:
    """Runs a command where a pickle of it is loaded."""

    def __reduce__(self):
        return os.mkdir, ("planted",)


def test_no_code_in_a_file_is_run(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    planted = np.array([Planted()] * 6, dtype=object)
    np.savez(tmp_path / "f.npz", a=planted, sol=U)
    np.save(tmp_path / "a.npy", planted)
    torch.save({"a": Planted(), "sol": torch.tensor(U)}, tmp_path / "f.pt")
    for name, named in (
        ("f.npz", NAMED),
        ("a.npy", ["--inputs=a", "--outputs=a"]),
        ("f.pt", NAMED),
    ):
        assert name in rejected(capsys, tmp_path / "set", [tmp_path / name], *named)
    assert not (tmp_path / "planted").exists()


def test_an_array_that_claims_more_than_there_is_is_rejected(tmp_path, capsys, monkeypatch):
    torch.save({"a": torch.ones(1).expand(10**5, 8, 8), "sol": torch.ones(1)}, tmp_path / "f.pt")
    named = [tmp_path / "f.pt"], *NAMED[:2]
    assert "a claims more" in rejected(capsys, tmp_path / "set", *named)
    monkeypatch.setattr("lightning_sciml.foreign.array_files.available_memory", lambda: 100)
    for kind in ("npz", "mat_5"):
        paths = FORMATS[kind](tmp_path, A, U, K)
        assert "GB of memory, which has" in rejected(capsys, tmp_path / "set", paths, *NAMED)


def test_fields_of_a_known_layout_can_be_renamed(tmp_path):
    from layout_files import darcy, write_pdebench

    a, u = darcy(num_samples=3, num_points=8, seed=0)
    path = write_pdebench(tmp_path / "f.h5", a, u)
    words = ["--inputs=permeability=nu", "--outputs=pressure=tensor", "--coefficients=force=beta"]
    found = read_dataset(import_(tmp_path / "set", [path], *words), "train")[:]
    np.testing.assert_array_equal(found["permeability"], a.swapaxes(1, 2).astype("f4"))
    np.testing.assert_array_equal(found["pressure"], u.swapaxes(1, 2).astype("f4"))
    np.testing.assert_array_equal(found["force"], np.ones(3))


# What comes after


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
        np.testing.assert_array_equal(u, np.squeeze(file["prediction"][()]))
    assert report.pde_residual is None
    np.savez(tmp_path / "in.npz", **{name: test[name] for name in ("a", "k")})
    ckpt = ["--ckpt_path", str(tmp_path / "run/checkpoints/best.ckpt")]
    main(["predict", *ckpt, f"--input={tmp_path / 'in.npz'}", f"--output={tmp_path / 'u.npz'}"])
    with np.load(tmp_path / "u.npz") as file:
        np.testing.assert_array_equal(file["prediction"], u)
