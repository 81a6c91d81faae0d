"""The wheel, installed elsewhere, generates, trains and predicts without the repository."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from programs import MPIRUN, ROOT

FILES = ("lightning_sciml", "data_gen", "launch/configs", "pyproject.toml", "README.md", "LICENSE")
LARGEST = 20e6  # bytes
TINY = [
    *("--num_points=32", "--num_train_samples=16", "--num_val_samples=4", "--num_test_samples=4"),
    "--shard_size=8",
]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """A wheel of this tree, built from a copy, as pip builds where the tree lies."""
    tree, built = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("built")
    for name in FILES:
        source, target = ROOT / name, tree / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True)
        else:
            shutil.copy(source, target)
    pip("wheel", "--no-build-isolation", "--wheel-dir", built, tree)
    return next(built.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The folder that the wheel is installed into."""
    folder = tmp_path_factory.mktemp("installed")
    pip("install", "--target", folder, wheel)
    return folder


def pip(verb: str, *words: object) -> None:
    offline = ("--no-deps", "--no-index", "--quiet", "--disable-pip-version-check")
    words = (sys.executable, "-m", "pip", verb, *offline, *words)
    subprocess.run([str(word) for word in words], check=True, timeout=120)


def sciml(installed: Path, folder: Path, *words: object, launcher: tuple = ()) -> str:
    """What the installed program says in a folder that is not the repository."""
    words = (*launcher, sys.executable, installed / "bin/sciml", *words)
    result = subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_wheel_is_small_and_holds_every_config_as_a_file(wheel):
    assert wheel.stat().st_size <= LARGEST
    configs = {path.relative_to(ROOT / "launch") for path in (ROOT / "launch").rglob("*.yaml")}
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
        assert {f"lightning_sciml/{path}" for path in configs} <= held
        poisson = archive.read("lightning_sciml/configs/pretrain/poisson.yaml")
    assert poisson == (ROOT / "launch/configs/pretrain/poisson.yaml").read_bytes()
    assert {"lightning_sciml/py.typed", "data_gen/solve.py"} <= held
    operator = "lightning_sciml/releases/steady-mixture-640K"
    assert {
        f"{operator}/{name}" for name in ("config.json", "model.safetensors", "README.md")
    } <= held
    assert not [name for name in held if name.startswith(("tests/", "docs/"))]


@pytest.mark.mpi
def test_an_installed_wheel_lists_configs_and_generates(installed, tmp_path):
    assert "pretrain/poisson " in sciml(installed, tmp_path, "config", "list")
    words = ("generate", "data/poisson_1_5", "--output", "data/poisson_1_5", *TINY)
    sciml(installed, tmp_path, *words, launcher=(MPIRUN, "-n", "2"))
    described = sciml(installed, tmp_path, "data", "describe", "data/poisson_1_5")
    assert "poisson_1_5" in described
    code = "import lightning_sciml, data_gen; print(lightning_sciml.__file__, data_gen.__file__)"
    places = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(installed)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert all(place.startswith(str(installed)) for place in places.stdout.split())


@pytest.fixture(scope="module")
def fresh(wheel, tmp_path_factory) -> Path:
    """The programs of an environment into which one command has put the wheel and all it needs."""
    folder = tmp_path_factory.mktemp("fresh")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=300)
    words = ("-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt", "torch")
    program = folder / "bin/python"
    subprocess.run([program, *words, f"{wheel}[mpich,completion]"], check=True, timeout=3000)
    return folder / "bin"


@pytest.mark.slow
@pytest.mark.mpi
@pytest.mark.timeout(3600)
def test_a_wheel_in_a_fresh_environment_makes_data_trains_tests_and_predicts(fresh, tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["PATH"] = f"{fresh}:/usr/bin:/bin"

    def said(*words: str) -> str:
        options = {"cwd": tmp_path, "env": environment, "text": True, "timeout": 300}
        result = subprocess.run(words, capture_output=True, **options)
        assert result.returncode == 0, result.stderr
        return result.stdout

    assert said("sciml", "--help") == said("python", "-m", "lightning_sciml", "--help")
    assert "complete" in said("sciml", "completion", "bash")
    data = "data/poisson_1_5"
    said("mpirun", "-n", "2", "sciml", "generate", data, "--output", data, *TINY)
    options = ("--trainer.max_epochs=1", "--data.batch_size=8", "--trainer.accelerator=cpu")
    said("sciml", "fit", "--config", "pretrain/poisson", "--model.network.size=64K", *options)
    said("sciml", "test", "--config", "runs/pretrain_poisson/config.yaml")
    np.savez(tmp_path / "mine.npz", source=np.ones((2, 32, 32)), k11=0.02, k22=0.03, k12=0.0)
    for operator in ("runs/pretrain_poisson", "steady-mixture-640K"):
        files = ("--input=mine.npz", "--output=u.npz")
        said("sciml", "predict", "--ckpt_path", operator, *files)
        with np.load(tmp_path / "u.npz") as written:
            assert written["prediction"].shape == (2, 32, 32)
