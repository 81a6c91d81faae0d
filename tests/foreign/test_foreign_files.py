"""Files of others: what lies outside of them, has no end or no numbers ends in one line."""

import os

import h5py
import numpy as np
import pytest
from layout_files import darcy, write_pdebench
from small_files import imported, permeabilities, replaced, steady_map

from lightning_sciml.errors import InputError


def test_what_is_no_regular_file_is_rejected_and_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "pipe.h5")
    (tmp_path / "folder/inner.h5").mkdir(parents=True)
    for path in (tmp_path / "pipe.h5", tmp_path / "folder", "/dev/zero", "/dev/null"):
        with pytest.raises(InputError, match="must be a file, it is none"):
            imported(tmp_path / "set", type(tmp_path)(path))
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize("content", [b"", b"no HDF5", b"\x89HDF\r\n\x1a\n"])
def test_other_files_of_that_name_are_rejected(tmp_path, content):
    (tmp_path / "f.h5").write_bytes(content)
    with pytest.raises(InputError, match=r"f\.h5 cannot be read as HDF5"):
        imported(tmp_path / "set", tmp_path / "f.h5")


@pytest.mark.parametrize("kind", ["external link", "soft link", "virtual", "external", "group"])
def test_values_outside_of_the_file_are_not_read(tmp_path, kind):
    other = permeabilities(tmp_path / "secret.h5")
    layout = h5py.VirtualLayout((4, 8, 8), "f4")
    layout[:] = h5py.VirtualSource(other, "nu", (4, 8, 8))
    make = {
        "external link": lambda f: f.__setitem__("nu", h5py.ExternalLink(str(other), "nu")),
        "soft link": lambda f: f.__setitem__("nu", h5py.SoftLink("/tensor")),
        "virtual": lambda f: f.create_virtual_dataset("nu", layout),
        "external": lambda f: f.create_dataset(
            "nu", (4, 8, 8), "f4", external=[(str(other), 0, 1024)]
        ),
        "group": lambda f: f.create_group("nu"),
    }[kind]
    path = replaced(permeabilities(tmp_path / "f.h5"), "nu", make)
    message = r"f\.h5: nu (is a link to|has its values in other files|must be a dataset)"
    with pytest.raises(InputError, match=message):
        imported(tmp_path / "set", path)


def test_a_group_of_another_file_is_not_read(tmp_path):
    steady_map(tmp_path / "secret.h5")
    path = steady_map(tmp_path / "f.h5")
    link = h5py.ExternalLink("secret.h5", "t0_fields")
    replaced(path, "t0_fields", lambda f: f.__setitem__("t0_fields", link))
    with pytest.raises(InputError, match=r"f\.h5: t0_fields is a link to t0_fields of secret"):
        imported(tmp_path / "set", path)


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((4, 10**6, 10**6), {"chunks": (1, 100, 100), "compression": "gzip"}),
        ((10**12, 8, 8), {"chunks": (1, 8, 8)}),
        ((4, 40_000, 8_000), {"chunks": (1, 40_000, 8_000), "compression": "gzip"}),
    ],
)
def test_a_dataset_that_claims_what_it_does_not_hold_is_rejected(tmp_path, shape, options):
    def make(file):
        file.create_dataset("nu", shape, "f4", **options)

    path = replaced(permeabilities(tmp_path / "f.h5"), "nu", make)
    with pytest.raises(InputError, match=r"f\.h5: nu claims [\d,]+ bytes and holds 0"):
        imported(tmp_path / "set", path)


def test_a_large_chunk_is_rejected_before_it_is_decompressed(tmp_path, monkeypatch):
    monkeypatch.setattr("lightning_sciml.foreign.foreign_file._MAX_CHUNK_BYTES", 1000)

    def make(file):
        file.create_dataset("nu", data=np.ones((4, 8, 8), "f4"), chunks=(4, 8, 8))

    path = replaced(permeabilities(tmp_path / "f.h5"), "nu", make)
    with pytest.raises(InputError, match=r"nu has chunks of 1,024 bytes, wanted at most 1,000"):
        imported(tmp_path / "set", path)


@pytest.mark.parametrize("place", ["memory", "disk"])
def test_what_memory_or_disk_cannot_hold_is_told_before_it_is_filled(tmp_path, monkeypatch, place):
    module = "lightning_sciml.foreign.conversion"
    if place == "memory":
        monkeypatch.setattr(f"{module}.available_memory", lambda: 100)
    else:
        usage = type("Usage", (), {"free": 100})
        monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(InputError, match=f"of {place}, which has 0.00 GB free"):
        imported(tmp_path / "set", permeabilities(tmp_path / "f.h5"))
    assert [p.name for p in tmp_path.iterdir()] == ["f.h5"]


@pytest.mark.parametrize("dtype", ["c8", "S4", [("x", "f4")], h5py.string_dtype()])
def test_what_is_no_real_number_is_rejected(tmp_path, dtype):
    path = replaced(
        permeabilities(tmp_path / "f.h5"),
        "nu",
        lambda f: f.create_dataset("nu", (4, 8, 8), dtype),
    )
    with pytest.raises(InputError, match=r"f\.h5: nu must hold real numbers, it holds"):
        imported(tmp_path / "set", path)


def test_a_number_of_samples_that_the_fields_do_not_have_is_rejected(tmp_path):
    path = steady_map(tmp_path / "f.h5")
    with h5py.File(path, "r+") as file:
        file.attrs["n_trajectories"] = 2**51
    with pytest.raises(InputError, match=r"f\.h5: a has the shape \(4, 8, 8\), the attributes of"):
        imported(tmp_path / "set", path)


def test_values_beyond_float32_are_rejected_by_file_and_sample(tmp_path):
    values = np.ones((4, 8, 8))
    values[3, 2, 2] = 1e300
    path = replaced(permeabilities(tmp_path / "f.h5"), "nu", lambda f: f.__setitem__("nu", values))
    with pytest.raises(InputError, match=r"f\.h5: sample 3 has nu with values that are not finite"):
        imported(tmp_path / "set", path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_coefficient_that_is_not_finite_is_named(tmp_path, value):
    path = permeabilities(tmp_path / "f.h5", beta=value)
    with pytest.raises(InputError, match=r"f\.h5: sample 0 has beta with values"):
        imported(tmp_path / "set", path)


def test_a_damaged_sample_is_named_by_its_own_file(tmp_path):
    good = permeabilities(tmp_path / "a.h5")
    a, u = darcy(num_samples=4, num_points=8, seed=0)
    u[1, 0, 0] = np.nan
    bad = write_pdebench(tmp_path / "b.h5", a, u)
    with pytest.raises(InputError, match=r"b\.h5: sample 1 has tensor with values"):
        imported(tmp_path / "set", good, bad)


def test_a_file_that_is_named_twice_is_rejected(tmp_path):
    path = permeabilities(tmp_path / "f.h5")
    (tmp_path / "link.h5").symlink_to(path)
    with pytest.raises(InputError, match=r"link\.h5 stands in test and in train"):
        imported(tmp_path / "set", path, test=[tmp_path / "link.h5"])
