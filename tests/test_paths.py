import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from command_line import rejection
from jsonargparse import Namespace

from lightning_sciml import read_dataset, write_dataset
from lightning_sciml.cli.given_option import given_option
from lightning_sciml.cli.main import main
from lightning_sciml.errors import InputError
from lightning_sciml.models.fno import FNO
from lightning_sciml.operators.neural_operator import NeuralOperator
from lightning_sciml.paths import expand_options, expanded
from lightning_sciml.study.definition.reading import load_study

CONFIGS = [
    ("run_dir: runs/a", "runs/a"),
    ("run_dir: runs/a  # here", "runs/a"),
    ("run_dir: runs/a#b", "runs/a#b"),
    ('run_dir: "runs/a b"', "runs/a b"),
    ("run_dir: 'runs/a: b'  # here", "runs/a: b"),
    ("run_dir:\n  runs/a", "runs/a"),
    ("run_dir: >-\n  runs/a", "runs/a"),
    ("{trainer: {max_epochs: 3}, run_dir: runs/a}", "runs/a"),
    ("run_dir: runs/a\r\nseed_everything: 0\r\n", "runs/a"),
    ("\ufeffrun_dir: runs/a", "runs/a"),
    ("run_dir: ~/runs/a", "/home/me/runs/a"),
    ("run_dir: ${SCRATCH}/a", "/scratch/a"),
    ("run_dir: $SCRATCH/a", "/scratch/a"),
    ("model: {run_dir: x}", ""),
]


@pytest.fixture
def _home(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("SCRATCH", "/scratch")
    monkeypatch.delenv("NOT_SET", raising=False)


@pytest.mark.usefixtures("_home")
@pytest.mark.parametrize(("text", "wanted"), CONFIGS)
def test_an_option_is_read_as_yaml(tmp_path, text, wanted):
    config = tmp_path / "run.yaml"
    config.write_bytes(text.encode())
    assert given_option("run_dir", ["--config", str(config)]) == wanted


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["--config", "A"], "a"),
        (["--config", "A", "--config=B"], "b"),
        (["--config=B", "-c", "A"], "a"),
        (["--config", "A", "--config", "NONE"], "a"),
        (["--config", "A", "--trainer.max_epochs", "3", "--run_dir", "c"], "c"),
        (["--run_dir=c", "--config", "A"], "c"),
        (["--config", "A", "--run_dir=b", "--run_dir=c"], "c"),
        (["--config", "{run_dir: inline}"], "inline"),
        (["--trainer.max_epochs", "3"], ""),
    ],
)
def test_options_prevail_over_files_and_the_last_word_counts(tmp_path, arguments, wanted):
    for name, text in (("A", "run_dir: a"), ("B", "run_dir: b"), ("NONE", "seed_everything: 1")):
        (tmp_path / name).write_text(text)
        arguments = [
            word.replace(name, str(tmp_path / name)) if word.endswith(name) else word
            for word in arguments
        ]
    assert given_option("run_dir", arguments) == wanted


@pytest.mark.parametrize("text", ["run_dir: 3", "run_dir: [a]", "a: b: c", "- a", "run_dir: \x00"])
def test_a_config_that_says_no_path_is_rejected_in_one_line(tmp_path, text):
    config = tmp_path / "run.yaml"
    config.write_text(text)
    words = [
        sys.executable,
        "-m",
        "lightning_sciml.cli.given_option",
        "run_dir",
        "--config",
        config,
    ]
    result = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("sciml: error: ")
    assert result.stderr.count("\n") == 1


def test_an_option_is_found_without_torch():
    code = "import sys, lightning_sciml.cli.given_option; print('torch' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout == "False\n"


@pytest.mark.usefixtures("_home")
def test_paths_are_expanded_wherever_a_configuration_has_them():
    logger = Namespace(class_path="CSVLogger", init_args=Namespace(save_dir="~/logs"))
    config = Namespace(
        run_dir="$SCRATCH/run",
        ckpt_path=None,
        data=Namespace(datasets=["${SCRATCH}/a", "./b"], seed=3),
        model=Namespace(init_args=Namespace(checkpoint="~/c.ckpt", loss="$SCRATCH")),
        trainer=Namespace(logger=[logger]),
    )
    expand_options(config)
    assert config.run_dir == "/scratch/run"
    assert config.data.datasets == ["/scratch/a", "./b"]
    assert config.model.init_args.checkpoint == "/home/me/c.ckpt"
    assert config.model.init_args.loss == "$SCRATCH"  # no path
    assert logger.init_args.save_dir == "/home/me/logs"


@pytest.mark.usefixtures("_home")
@pytest.mark.parametrize(
    "path", ["$NOT_SET/a", "${NOT_SET}/a", "${SCRATCH:-x}/a", "~no-such-user/a"]
)
def test_what_cannot_be_expanded_is_rejected(path):
    with pytest.raises(InputError, match="write the path without"):
        expanded(Path(path))


@pytest.mark.usefixtures("_home")
def test_a_study_expands_its_paths(tmp_path):
    text = (Path(__file__).parent.parent / "launch/configs/study/demo.yaml").read_text()
    tree = yaml.safe_load(text) | {"output": "~/study", "data_dir": "${SCRATCH}/data"}
    for pretraining in tree["pretrainings"].values():
        pretraining["checkpoint"] = "$SCRATCH/best.ckpt"
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(tree))
    study = load_study(tmp_path / "study.yaml")
    assert study.output == Path("/home/me/study")
    assert study.dataset_dir("a") == Path("/scratch/data/a")
    pretrained = next(run.pretrained for run in study.runs() if run.pretrained)
    assert study.given_checkpoint(pretrained) == "/scratch/best.ckpt"


@pytest.mark.parametrize(
    "words",
    [
        ["data", "describe", "$NOT_SET/a"],
        ["data", "verify", "$NOT_SET/a"],
        ["data", "plot", "$NOT_SET/a"],
        ["data", "bench", "$NOT_SET/a"],
        ["data", "import", "$NOT_SET/a", "--train", "[x.h5]"],
        ["data", "import", "a", "--train", "$NOT_SET/x.h5"],
        ["inspect", "$NOT_SET/a"],
        ["study", "plan", "$NOT_SET/a"],
        ["fit", "--config=fit.yaml", "--run_dir=$NOT_SET/a"],
        ["doctor", "--folder=$NOT_SET/a"],
        ["config", "copy", "pretrain/poisson", "$NOT_SET/a.yaml"],
        ["predict", "--input=f.npz", "--output=$NOT_SET/u.npz", "--ckpt_path=c"],
        ["predict", "--input=$NOT_SET/f.npz", "--output=u.npz", "--ckpt_path=c"],
        ["predict", "--input=f.npz", "--output=u.npz", "--ckpt_path=$NOT_SET/c"],
        ["generate", "data/poisson_1_5", "--output=$NOT_SET/a"],
    ],
    ids=" ".join,
)
def test_every_verb_expands_its_paths(monkeypatch, tmp_path, capsys, words):
    monkeypatch.delenv("NOT_SET", raising=False)
    monkeypatch.chdir(tmp_path)
    np.savez("f.npz", source=np.zeros((4, 4)))
    if words[0] == "fit":
        network = {"class_path": "lightning_sciml.models.fno.FNO", "init_args": {"size": "64K"}}
        options = {"class_path": "PretrainingModule", "init_args": {"network": network}}
        Path("fit.yaml").write_text(yaml.safe_dump({"model": options, "data": {"datasets": ["a"]}}))
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
    assert "environment variable NOT_SET, which is not set" in capsys.readouterr().err
    assert not any(tmp_path.glob("$*"))


def test_paths_that_are_used_twice_are_expanded_twice(datasets, monkeypatch, tmp_path):
    """A folder is described before it is verified, a checkpoint read before it is exported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA", str(datasets["poisson_1_5"].parent))
    monkeypatch.setenv("HERE", str(tmp_path))
    main(["data", "verify", "$DATA/poisson_1_5"])
    f, u = (read_dataset("$DATA/poisson_1_5", "train")[:1][name] for name in ("source", "solution"))
    write_dataset("$HERE/own", {"f": f}, {"u": u}, split={"train": 1})
    described = NeuralOperator(FNO(num_channels=2, num_modes=2)).describe().plain()
    torch.save({"state_dict": {}, "operator": described}, "a.ckpt")
    main(["export", "$HERE/a.ckpt", "--format=safetensors", "--output", "$HERE/exported"])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.ckpt", "exported", "own"]


def test_the_folder_of_copies_is_expanded(config, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NOT_SET", raising=False)
    monkeypatch.setenv("SCIML_STAGE_DIR", "$NOT_SET/copies")
    assert "NOT_SET, which is not set" in rejection(["fit", "--config", config()], capsys)


@pytest.mark.usefixtures("_home")
@pytest.mark.parametrize("path", ["", "  ", "${EMPTY}"])
def test_an_empty_path_is_not_the_working_folder(monkeypatch, path):
    """Give the empty name of `--run_dir "$UNSET"` in a shell."""
    monkeypatch.setenv("EMPTY", "")
    with pytest.raises(InputError, match="a path is wanted"):
        expanded(path)
    with pytest.raises(InputError, match=r"^run_dir: a path is wanted"):
        expand_options(Namespace(run_dir=path))
