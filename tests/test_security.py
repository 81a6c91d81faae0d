"""Data sets, checkpoints, exports and results are data: reading them runs no code.

Every file here would make a folder CANARY if what stands in it were run.
"""

import contextlib
import json
import pickle
import shutil
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from lightning_sciml.checkpoints.files import (
    CHECKSUM,
    read_checkpoint,
    weights_checksum,
)
from lightning_sciml.errors import InputError
from lightning_sciml.evaluation.kept_samples import load_sample
from lightning_sciml.evaluation.sample_fields import SampleFields
from lightning_sciml.hub import CONFIG, WEIGHTS
from lightning_sciml.json_files import json_text, read_json
from lightning_sciml.models.fno import FNO
from lightning_sciml.operators.neural_operator import NeuralOperator
from lightning_sciml.pde.named_equation import named_equation
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.study.execution.run_files import Result, Summary, error_message, read_config

CANARY = "code-was-run"


class Malicious:
    def __reduce__(self):
        return Path.mkdir, (Path(CANARY),)


PICKLE = pickle.dumps(Malicious())
TEXTS = {
    "pickle": PICKLE,
    "yaml_apply": f"!!python/object/apply:os.mkdir [{CANARY}]".encode(),
    "yaml_name": b"a: !!python/name:os.system",
    "yaml_module": b"a: !!python/module:os",
    "json_with_tag": f'{{"a": "!!python/object/apply:os.mkdir [{CANARY}]"}}'.encode(),
}


@pytest.fixture(autouse=True)
def canary(tmp_path, monkeypatch):
    """Fails a test in which code of a file was run."""
    monkeypatch.chdir(tmp_path)
    yield
    assert not (tmp_path / CANARY).exists()


def test_the_pickle_of_these_tests_does_run_code():
    pickle.loads(PICKLE)
    assert Path(CANARY).exists()
    Path(CANARY).rmdir()


@pytest.mark.parametrize("content", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("expected", [Result, Summary])
def test_results_are_data(content, expected, tmp_path):
    path = tmp_path / "file.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"file\.json is damaged"):
        read_json(path, expected, remedy="")


@pytest.mark.parametrize("content", [v for k, v in TEXTS.items() if k != "json_with_tag"])
def test_the_reason_of_a_failed_run_is_data(content, tmp_path):
    (tmp_path / "error.json").write_bytes(content)
    assert "error.json is damaged" in error_message(tmp_path)


@pytest.mark.parametrize("content", [v for k, v in TEXTS.items() if k != "json_with_tag"])
def test_the_configuration_of_a_run_of_a_study_is_compared_and_not_run(content, tmp_path):
    path = tmp_path / "run.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match="is damaged or was edited"):
        read_config(path)


def test_fields_of_test_samples_are_data(tmp_path):
    path = tmp_path / "fields.npz"
    names = (f.name for f in fields(SampleFields))
    np.savez(path, **dict.fromkeys(names, np.array([Malicious()], dtype=object)))
    with pytest.raises(InputError, match="cannot be read"):
        load_sample(path)
    path.write_bytes(PICKLE)
    with pytest.raises(InputError, match="cannot be read"):
        load_sample(path)


def test_checkpoints_are_data(tmp_path):
    path = tmp_path / "last.ckpt"
    for content in ({"state_dict": Malicious()}, {"state_dict": {}, "provenance": Malicious()}):
        torch.save(content, path)
        with pytest.raises(InputError, match="cannot be read"):
            read_checkpoint(path)
    path.write_bytes(PICKLE)
    with pytest.raises(InputError, match="cannot be read"):
        read_checkpoint(path)


def test_exports_are_data(tmp_path):
    weights, config = tmp_path / WEIGHTS, tmp_path / CONFIG
    config.write_text("{}")
    weights.write_bytes(PICKLE)
    with pytest.raises(InputError, match="cannot be read"):
        read_checkpoint(tmp_path)
    save_file({"network.w": torch.ones(2)}, weights)
    with pytest.raises(InputError, match="not written by sciml export"):
        read_checkpoint(tmp_path)
    for content in TEXTS.values():
        config.write_bytes(content)
        with pytest.raises(InputError):
            read_checkpoint(tmp_path)


@pytest.mark.parametrize("provenance", ['""', "{", "[]", "null", "[" * 100_000, "NaN", '"x"'])
def test_the_provenance_in_an_export_is_data(provenance, tmp_path):
    """Made by hand, with the checksum of what it holds where that can be read at all."""
    weights = {"network.w": torch.ones(2)}
    save_file(weights, tmp_path / WEIGHTS)
    described = NeuralOperator(FNO(num_channels=2, num_modes=2)).describe().plain()
    told = f'"operator": {json_text(described)}, "provenance": {provenance}'
    with contextlib.suppress(ValueError, RecursionError):
        checksum = weights_checksum(weights, json_text(json.loads(f"{{{told}}}")))
        told += f', "{CHECKSUM}": "{checksum}"'
    (tmp_path / CONFIG).write_text(f"{{{told}}}")
    with pytest.raises(InputError, match=r"its provenance is|config\.json is (damaged|nested)"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize("content", TEXTS.values(), ids=TEXTS)
def test_the_manifest_of_a_data_set_is_data(content, tmp_path):
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(InputError):
        Manifest.load(tmp_path)


def test_a_data_set_names_an_equation_of_ours_and_imports_no_other(tmp_path, datasets, monkeypatch):
    (tmp_path / "evil_module.py").write_text(f"import os; os.mkdir({CANARY!r})")
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / "set"
    shutil.copytree(datasets["poisson_1_5"], folder)
    content = json.loads((folder / "manifest.json").read_text())
    content["equation"] = "evil_module.Evil"
    content["config"]["coefficients"]["class_path"] = "evil_module.Evil"
    (folder / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(InputError):
        named_equation(Manifest.load(folder).equation, {})
    assert "evil_module" not in sys.modules
