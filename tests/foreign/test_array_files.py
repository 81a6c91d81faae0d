"""Arrays in files of the usual formats are imported by name, or rejected in one line."""

import os
import shlex
import signal

import h5py
import numpy as np
import pytest
import torch
from import_command import import_, rejected
from own_arrays import A, K, U, check
from scipy.io import savemat

from lightning_sciml import read_dataset
from lightning_sciml.cli.main import main
from lightning_sciml.errors import InputError
from lightning_sciml.foreign.asked import Asked
from lightning_sciml.foreign.conversion import import_dataset
from lightning_sciml.shards.description import describe

NAN_IN_4 = np.where(np.arange(6) == 4, np.nan, 0)[:, None, None]
NO_CUT = {"val": 0, "test": 0}


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
    assert "so taken as: lengths 1 × 1; boundary periodic. If" in capsys.readouterr().out
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
