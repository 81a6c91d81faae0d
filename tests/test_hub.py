"""Model repositories of the hub: laid out, read and written without network."""

import shutil
import sys
from types import SimpleNamespace

import pytest
import torch
from command_line import rejection

from lightning_sciml import hub, load_operator
from lightning_sciml.checkpoints.files import Checkpoint, export
from lightning_sciml.cli.main import main
from lightning_sciml.models.fno import FNO
from lightning_sciml.operators.neural_operator import NeuralOperator

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An operator with random weights, as a released one lies on disk."""
    torch.manual_seed(0)
    operator = NeuralOperator(FNO(num_channels=2, num_modes=2), normalization="paper")
    path = tmp_path_factory.mktemp("operators") / "mine"
    export(Checkpoint(weights=operator.state_dict(), operator=operator.describe()), path)
    (path / "README.md").write_text("---\nlicense: mit\n---\n# mine\n")
    (path / "secret.txt").write_text("not part of an operator")
    return path


@pytest.fixture
def cache(folder, tmp_path, monkeypatch):
    """The cache of the hub with this operator as me/mine, on a machine without network."""
    constants = pytest.importorskip("huggingface_hub.constants")
    repository = tmp_path / "models--me--mine"
    shutil.copytree(folder, repository / "snapshots" / COMMIT)
    (repository / "refs").mkdir()
    (repository / "refs/main").write_text(COMMIT)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("word", ["hf://me/mine", "hf://me/mine@main", "hf:/me/mine"])
def test_a_repository_is_a_checkpoint(folder, word):
    """A path of hf://me/mine has one slash."""
    states = (load_operator(path).state_dict() for path in (word, folder))
    for one, other in zip(*(state.values() for state in states), strict=True):
        assert torch.equal(one, other)


@pytest.mark.usefixtures("cache")
def test_a_repository_that_cannot_be_loaded_is_one_line(capsys):
    for word in ("hf://me/yours", "hf://me/mine@v2"):
        line = rejection(["inspect", word], capsys)
        assert f"{word.partition('@')[0]} cannot be loaded: " in line


def test_a_path_that_is_missing_asks_no_network(capsys):
    assert "hf://OWNER/NAME" in rejection(["inspect", "me/mine"], capsys)


def test_push_uploads_the_three_files_and_nothing_else(folder, monkeypatch, capsys):
    calls = []

    def upload_folder(**options):
        calls.append(options)
        return "https://hub/me/mine"

    api = SimpleNamespace(
        create_repo=lambda *args, **options: calls.append((args, options)),
        upload_folder=upload_folder,
    )
    monkeypatch.setattr(hub, "_hub", lambda: SimpleNamespace(HfApi=lambda: api))
    main(["models", "push", str(folder), "me/mine", "--private"])
    assert capsys.readouterr().out == "https://hub/me/mine\n"
    assert calls[0] == (("me/mine",), {"private": True, "exist_ok": True})
    assert calls[1]["allow_patterns"] == ["config.json", "model.safetensors", "README.md"]
    assert calls[1]["repo_id"] == "me/mine"


@pytest.mark.usefixtures("cache")
def test_pull_says_where_an_operator_lies(capsys, tmp_path):
    main(["models", "pull", "me/mine"])
    path = capsys.readouterr().out.strip()
    assert path == str(tmp_path / "models--me--mine/snapshots" / COMMIT)


def test_without_the_extra_one_line_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    line = rejection(["models", "pull", "me/mine"], capsys)
    assert "pip install 'lightning_sciml[hub]'" in line
