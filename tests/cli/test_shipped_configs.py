"""Configurations go by name wherever one is wanted; a file of the user prevails."""

import os
import re
import subprocess
import sys
from pathlib import Path

import h5py
import pytest
import yaml
from command_line import rejection
from programs import ROOT

from data_gen import solve
from lightning_sciml.cli.given_option import given_option
from lightning_sciml.cli.main import main
from lightning_sciml.errors import InputError
from lightning_sciml.shipped_configs import config_path, shipped_configs

POISSON = str(shipped_configs()["pretrain/poisson"])


def printed(words, capsys):
    with pytest.raises(SystemExit) as stop:
        main([*words, "--print_config"])
    assert stop.value.code == 0
    return yaml.safe_load(capsys.readouterr().out)


@pytest.fixture
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_every_config_of_the_repository_has_a_name():
    files = sorted((ROOT / "launch/configs").rglob("*.yaml"))
    assert sorted(path.resolve() for path in shipped_configs().values()) == files
    assert len(files) > 20


@pytest.mark.usefixtures("_elsewhere")
@pytest.mark.parametrize("words", [["--config", "pretrain/poisson"], ["--config=pretrain/poisson"]])
def test_training_takes_names_one_laid_over_the_other(words, capsys):
    tree = printed(["fit", *words, "--config", "recipe/dimensionless"], capsys)
    assert tree["run_dir"] == "runs/pretrain_poisson"
    assert tree["model"]["init_args"]["normalization"] == "dimensionless"
    assert given_option("run_dir", words) == "runs/pretrain_poisson"


@pytest.mark.usefixtures("_elsewhere")
def test_generation_and_studies_take_names(capsys):
    _, config = solve.parse(["--config", "data/helmholtz_1_10", "--output", "x"])
    assert config.name == "helmholtz_1_10"
    line = "mpirun -n 2 sciml generate data/poisson_1_5 --output demo/data/poisson_1_5"
    with pytest.raises(SystemExit):
        main(["study", "plan", "study/demo"])
    assert line in capsys.readouterr().err


@pytest.mark.usefixtures("_elsewhere")
def test_a_file_prevails_over_a_name_and_a_folder_does_not():
    name = "data/poisson_1_5"
    Path(name).mkdir(parents=True)  # the data set, most often
    assert config_path(name) == str(shipped_configs()[name])
    Path(name).rmdir()
    Path(name).touch()
    assert config_path(name) == name
    assert config_path("{run_dir: a}") == "{run_dir: a}"


@pytest.mark.usefixtures("_elsewhere")
@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("pretrain/poison", "did you mean pretrain/poisson?"),
        ("helmholtz", "did you mean finetune/helmholtz or pretrain/helmholtz?"),
        ("launch/configs/pretrain/poisson.yaml", "did you mean pretrain/poisson?"),
        ("mine.yaml", "mine.yaml is neither a file nor a config of sciml; `sciml config list`"),
    ],
)
def test_an_unknown_name_is_one_line_with_the_closest(word, message, capsys):
    for words in (["fit", "--config", word], ["study", "plan", word], ["config", "copy", word]):
        assert message in rejection(words, capsys)
    assert solve.main(["--config", word]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.usefixtures("_elsewhere")
def test_configs_are_listed_and_copied_but_never_over_a_file(capsys):
    main(["config", "list"])
    listed = capsys.readouterr().out
    assert "pretrain/poisson  " in listed
    assert [line.split()[0] for line in listed.splitlines()] == list(shipped_configs())
    assert [line for line in listed.splitlines() if line.endswith((" and", " by", ","))] == []
    (start,) = {re.search(r"  +", line).end() for line in listed.splitlines()}  # one column
    assert start > max(map(len, shipped_configs()))
    main(["config", "copy", "pretrain/poisson"])
    main(["config", "copy", "pretrain/poisson", "new/mine.yaml"])
    for name in ("pretrain_poisson.yaml", "new/mine.yaml"):
        assert Path(name).read_bytes() == Path(POISSON).read_bytes()
    assert "is there already" in rejection(
        ["config", "copy", "pretrain/poisson", "new/mine.yaml"], capsys
    )


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("size null num_channels 16 num_modes 6", {"num_channels": 16, "num_modes": 6}),
        ("size 1M", {"size": "1M"}),
    ],
)
def test_the_size_of_a_shipped_config_can_be_overridden(words, wanted, capsys):
    pairs = iter(words.split())
    options = [w for name in pairs for w in (f"--model.network.{name}", next(pairs))]
    tree = printed(["fit", "--config", POISSON, *options], capsys)
    network = tree["model"]["init_args"]["network"]["init_args"]
    found = {name: network[name] for name in ("size", "num_channels", "num_modes")}
    assert found == {"size": None, "num_channels": None, "num_modes": None, **wanted}


def test_two_sizes_are_one_line_that_says_what_to_type(tmp_path, capsys):
    words = ["--model.network.num_channels=16", "--model.network.num_modes=6"]
    words.append(f"--run_dir={tmp_path}")
    line = rejection(["fit", "--config", POISSON, *words], capsys)
    assert "size=64M sets num_channels and num_modes, got num_channels=16 and num_modes=6" in line
    assert "--model.network.size null" in line


def test_generation_is_a_verb_that_loads_no_torch_and_writes_the_bytes_of_the_program(
    datasets, tmp_path
):
    splits = ("train=40", "val=13", "test=11")
    sizes = [f"--num_{split}".replace("=", "_samples=") for split in splits]
    sizes += ["--num_points=32", "--shard_size=16"]  # as of the fixture
    words = ["generate", "data/poisson_1_5", "--output", str(tmp_path / "set"), *sizes]
    code = (
        f"import sys\nfrom lightning_sciml.cli.main import main\ntry: main({words!r})\n"
        "except SystemExit as stop: print(stop.code, 'torch' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert result.stdout == "0 False\n"
    shards = sorted((tmp_path / "set").rglob("*.h5"))
    assert shards
    for shard in shards:
        of_program = datasets["poisson_1_5"] / shard.relative_to(tmp_path / "set")
        with h5py.File(shard) as one, h5py.File(of_program) as other:
            assert (one["fields"][:] == other["fields"][:]).all()


@pytest.mark.parametrize("word", [".", "..", "./", "launch/.."])
def test_a_folder_is_no_config(word):
    with pytest.raises(InputError, match="neither a file nor a config"):
        config_path(word)


def test_a_reader_that_leaves_early_is_no_error():
    """Pipe `sciml config list` to `head -1`: nothing on stderr, buffered or not."""
    program = f"{sys.executable} -m lightning_sciml.cli config list | head -1"
    for unbuffered in ("", "1"):
        done = subprocess.run(
            program,
            shell=True,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.startswith("data/")
        assert done.stderr == ""
