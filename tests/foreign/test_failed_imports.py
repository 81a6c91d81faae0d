"""A damaged file ends an import in one line, and nothing of a failed or killed one is left."""

import os
import signal

import h5py
import numpy as np
import pytest
from small_files import (
    NAMED,
    evolving_well,
    imported,
    permeabilities,
    replaced,
    steady_map,
    three_fields,
)
from trajectory_files import (
    STATES,
    write_fno_evolution,
    write_groups,
    write_pdearena,
    write_poseidon,
)

from lightning_sciml.errors import InputError
from lightning_sciml.foreign.sample_writing import new_folder
from lightning_sciml.shards.verification import verify_dataset


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
