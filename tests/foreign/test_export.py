"""An export is whole or absent, and takes no damage along."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from lightning_sciml import read_dataset, write_dataset
from lightning_sciml.cli.main import main
from lightning_sciml.errors import InputError
from lightning_sciml.foreign.export import LAYOUTS, export_dataset

SPLIT = {"train": 4, "val": 1, "test": 2}


@pytest.fixture(scope="module")
def steady(tmp_path_factory):
    """Two fields and a number for each of seven samples."""
    folder, rng = tmp_path_factory.mktemp("sets") / "steady", np.random.default_rng(0)
    a, u = rng.random((2, 7, 8, 8), "f4")
    write_dataset(folder, {"a": a}, {"u": u}, {"k": rng.random(7)}, split=SPLIT)
    return folder


def test_the_command_says_what_it_wrote_and_never_writes_over_a_folder(steady, tmp_path, capsys):
    output = tmp_path / "out"
    arguments = ["data", "export", str(steady), "--layout", "well", "--output", str(output)]
    main(arguments)
    assert f"{output} holds 7 samples" in capsys.readouterr().out
    written = {path: path.stat().st_mtime_ns for path in output.rglob("*")}
    with pytest.raises(SystemExit):
        main(arguments)
    assert "exists and is not empty" in capsys.readouterr().err
    assert written == {path: path.stat().st_mtime_ns for path in output.rglob("*")}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_export_that_ends_early_leaves_nothing(steady, tmp_path, layout):
    def interrupt(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_dataset(steady, tmp_path / "out", layout, interrupt)
    assert not list(tmp_path.iterdir())


def test_an_export_needs_room_on_the_disk(steady, tmp_path, monkeypatch):
    wanted = 2 * 7 * 8 * 8 * 4
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=wanted - 1))
    with pytest.raises(InputError, match="GB of disk, which has"):
        export_dataset(steady, tmp_path / "out", "xarray")
    assert not list(tmp_path.iterdir())


def test_a_damaged_set_is_not_exported(steady, tmp_path):
    copy = shutil.copytree(steady, tmp_path / "copy")
    shard = copy / "train/00000.h5"
    content = bytearray(shard.read_bytes())
    content[content.index(read_dataset(steady, "train")[0]["u"].tobytes())] ^= 1
    shard.write_bytes(content)
    with pytest.raises(InputError, match=r"train/00000\.h5"):
        export_dataset(copy, tmp_path / "out", "well")
    assert not (tmp_path / "out").exists()
