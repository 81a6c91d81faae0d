"""Files of others: what lies outside of them, has no end or is damaged ends in one line."""

import os
import signal

import h5py
import numpy as np
import pytest
from layout_files import darcy, write_pdebench, write_reference, write_well
from trajectory_files import (
    STATES,
    write_fno_evolution,
    write_groups,
    write_pdearena,
    write_poseidon,
)

from lightning_sciml.errors import InputError
from lightning_sciml.foreign.asked import Asked
from lightning_sciml.foreign.conversion import import_dataset
from lightning_sciml.foreign.sample_writing import new_folder
from lightning_sciml.shards.reader import ShardedDataset
from lightning_sciml.shards.verification import verify_dataset

NO_CUT = {"val": 0, "test": 0}
NAMED = Asked(fields=["a", "b", "c"], inputs=["a"], outputs=["c"])


def imported(folder, *train, asked=None, **files):
    return import_dataset(folder, {"train": train, **files}, num_cut=NO_CUT, asked=asked)


def permeabilities(path, **options):
    a, u = darcy(num_samples=4, num_points=8, seed=0)
    return write_pdebench(path, a, u, **options)


def three_fields(path):
    fields = np.random.default_rng(0).standard_normal((4, 3, 8, 8))
    return write_reference(path, fields, np.ones((4, 7))), fields.astype("f4")


def steady_map(path):
    a, u = darcy(num_samples=4, num_points=8, seed=0)
    return write_well(path, {"a": a, "u": u[:, None]}, inflow=np.arange(4.0))


def evolving_well(path):
    vector = np.stack(STATES[1:3], axis=-1)
    return write_well(path, {"p": STATES[0]}, vectors={"v": vector}, inflow=np.arange(5.0))


# What a layout does not say


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


# What is no file, or leads out of it


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


def replaced(path, name, make):
    with h5py.File(path, "r+") as file:
        del file[name]
        make(file)
    return path


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
        monkeypatch.setattr(f"{module}.shutil.disk_usage", lambda _: usage)
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


# A failed import


def damaged_chunk(path):
    """A compressed permeability whose third sample does not decompress."""
    values = np.random.default_rng(0).standard_normal((4, 8, 8))

    def make(file):
        file.create_dataset("nu", data=values, chunks=(1, 8, 8), compression="gzip")

    replaced(permeabilities(path), "nu", make)
    with h5py.File(path) as file:
        place = file["nu"].id.get_chunk_info(2).byte_offset
    content = bytearray(path.read_bytes())
    content[place : place + 40] = bytes(40)
    path.write_bytes(content)
    return path


def test_a_damaged_chunk_is_named_and_nothing_is_left(tmp_path, monkeypatch):
    """Shards of one sample, so that two are on disk when the third cannot be read."""
    monkeypatch.setattr("lightning_sciml.foreign.conversion._SHARD_BYTES", 1)
    path = damaged_chunk(tmp_path / "f.h5")
    with pytest.raises(InputError, match=r"f\.h5: nu of samples 2 … 2 cannot be read") as caught:
        imported(tmp_path / "set", path)
    assert "\n" not in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["f.h5"]
    imported(tmp_path / "set", permeabilities(tmp_path / "whole.h5"))
    assert verify_dataset(tmp_path / "set") == []


def test_what_a_killed_import_left_is_removed(tmp_path):
    leftover = tmp_path / ".set.unfinished/train/00007.h5"
    leftover.parent.mkdir(parents=True)
    leftover.touch()
    imported(tmp_path / "set", permeabilities(tmp_path / "f.h5"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["f.h5", "set"]
    found = sorted(
        p.relative_to(tmp_path / "set").as_posix() for p in (tmp_path / "set").rglob("*")
    )
    assert found == ["manifest.json", "train", "train/00000.h5"]


def test_files_of_others_in_the_folder_are_left_alone(tmp_path):
    """The folder of the files to import, by mistake also that of the data set."""
    path = permeabilities(tmp_path / "train.h5")
    before = path.read_bytes()
    with pytest.raises(InputError, match="exists and is not empty"):
        imported(tmp_path, path)
    assert path.read_bytes() == before
    (tmp_path / "empty").mkdir()
    imported(tmp_path / "empty", path)


@pytest.mark.parametrize("is_linked", [False, True])
def test_two_imports_to_one_folder_do_not_meet(tmp_path, is_linked):
    (tmp_path / "place").mkdir()
    (tmp_path / "link").symlink_to("place")
    target = tmp_path / ("link" if is_linked else "place") / "set"
    with new_folder(target) as folder:
        (folder / "file").touch()
        process = os.fork()
        if process == 0:
            try:
                with new_folder(target):
                    os._exit(0)
            except InputError as error:
                os._exit(7 if "another process is writing" in str(error) else 8)
        assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 7
    assert (target / "file").exists()


# Bits


def outcome_in_time(path, asked, folder, seconds):
    """What an import ends with, in a process of its own: HDF5 may crash or loop."""
    process = os.fork()
    if process == 0:
        signal.alarm(seconds)
        try:
            imported(folder, path, asked=asked)
            os._exit(0)
        except InputError as error:
            os._exit(2 if path.name in str(error) and "\n" not in str(error) else 3)
        except BaseException:
            os._exit(4)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def compressed(path):
    """Write the datasets of a file anew, in compressed chunks."""
    with h5py.File(path, "r+") as file:
        names = []
        file.visititems(lambda n, o: names.append(n) if isinstance(o, h5py.Dataset) else None)
        for name in names:
            values, attributes = file[name][()], dict(file[name].attrs)
            if not values.ndim:
                continue
            del file[name]
            file.create_dataset(name, data=values, chunks=True, compression="gzip")
            file[name].attrs.update(attributes)
    return path


FILES = {
    "reference.h5": (lambda path: three_fields(path)[0], NAMED),
    "pdebench.h5": (permeabilities, None),
    "well.h5": (steady_map, None),
    "evolving_well.h5": (evolving_well, None),
    "groups.h5": (lambda path: write_groups(path, STATES[:2]), None),
    "pdearena.h5": (lambda path: write_pdearena(path, "train"), None),
    "fno.mat": (lambda path: write_fno_evolution(path, "7.3"), None),
    "NS-poseidon.nc": (lambda path: write_poseidon(path, "solution", STATES[0]), None),
}


def check_flips(tmp_path, num_flips, seed):
    rng = np.random.default_rng(seed)
    for name, (write, asked) in FILES.items():
        for is_compressed in (False, True):
            path = tmp_path / str(is_compressed) / name
            path.parent.mkdir(exist_ok=True)
            content = (compressed(write(path)) if is_compressed else write(path)).read_bytes()
            for number in range(num_flips):
                damaged = bytearray(content)
                damaged[rng.integers(len(content))] ^= 1 << rng.integers(8)
                if number % 5 == 0:
                    del damaged[rng.integers(len(content)) :]
                path.write_bytes(damaged)
                folder = tmp_path / f"{name}{is_compressed}{number}"
                assert outcome_in_time(path, asked, folder, seconds=20) in (0, 2), (path, number)


def test_flipped_bits_and_truncation_end_in_one_line_or_are_data(tmp_path):
    check_flips(tmp_path, num_flips=4, seed=0)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_many_flipped_bits_end_in_one_line_or_are_data(tmp_path):
    check_flips(tmp_path, num_flips=400, seed=1)
