"""Each mistake in options or in a configuration file gets the line that names it."""

import argparse
import sys

import pytest
import yaml
from command_line import rejection

from data_gen import solve
from lightning_sciml.cli.main import main
from lightning_sciml.option_errors import cause

MODEL = "--model.init_args"
NETWORK = f"{MODEL}.network"
CSV = "--trainer.logger=lightning.pytorch.loggers.CSVLogger"
MODLE = "there is no option modle.class_path; did you mean model?"
MISTAKES = [
    ([f"{MODEL}.los=relative_l2"], "model: there is no option los; did you mean loss?"),
    ([f"{MODEL}.loss=l3"], "model.loss: wanted sum_of_squares or relative_l2, got l3"),
    ([f"{MODEL}.loss=null"], "model.loss: wanted sum_of_squares or relative_l2, got null"),
    (["--model=FineTuning"], "no class is called FineTuning"),
    (["--model=FineTuning"], "did you mean FineTuningModule?"),
    (["--model=torch.nn.Linear"], "model: torch.nn.Linear is not a subclass of OperatorModule"),
    (["--model=FineTuningModule"], "model: checkpoint is missing"),
    (["--model.class_path=nowhere.Net"], "No module named 'nowhere'"),
    (["--model.class_path=nowhere.Net"], "in the folder that holds nowhere.py, or put that folder"),
    (["--model=null"], "model is missing"),
    ([f"{MODEL}.optimizer.init_args.lr=fast"], "model.optimizer.lr: wanted float, got fast"),
    ([f"{MODEL}.optimizer.init_args.lr=null"], "model.optimizer.lr: wanted float, got null"),
    ([f"{MODEL}.optimizer=torch.optim.Adamm"], "has no attribute 'Adamm'"),
    ([f"{MODEL}.optimizer=torch.optim.Adamm"], "did you mean Adam?"),
    ([f"{MODEL}.optimizer=null"], "model.optimizer: wanted a value, got null"),
    ([f"{MODEL}.augmentations=[flip]"], "model.augmentations"),
    ([f"{MODEL}.scheduler=torch.optim.lr_scheduler.StepLR"], "model.scheduler: step_size is missi"),
    ([f"{NETWORK}.init_args.num_mode=3"], "model.network: there is no option num_mode; did you"),
    ([f"{NETWORK}.init_args.num_modes=x"], "model.network.num_modes: wanted int or null, got x"),
    ([f"{NETWORK}=lightning_sciml.models.fno.FN"], "model.network: Problem with given class_path"),
    ([f"{NETWORK}=lightning_sciml.models.fno.FN"], "did you mean FNO?"),
    ([f"{NETWORK}=null"], "model: network is missing"),
    (
        [f"{NETWORK}.init_args.zzz=3"],
        "zzz; known are size, num_channels, num_modes, num_blocks, block, ",
    ),
    ([CSV, "--trainer.logger.init_args.save_dirr=x"], "trainer.logger: there is no option save_di"),
    (["--trainer.logger=CSVLoger"], "did you mean CSVLogger?"),
    (["--trainer.callbacks+=EarlyStoping"], "trainer.callbacks: no class is called EarlyStoping"),
    (["--trainer.callbacks+=EarlyStopping"], "trainer.callbacks: monitor is missing"),
    (["--trainer.max_epochs=x"], "trainer.max_epochs: wanted int or null, got x"),
    (["--trainer.precision=17"], "bf16-mixed"),
    (["--data.batch_size=x"], "data.batch_size: wanted int, got x"),
    (["--data.batch_size=null"], "data.batch_size: wanted int, got null"),
    (["--data.batch_sise=3"], "did you mean --data.batch_size?"),
    (["--data.dataset=x"], "there is no option --data.dataset; did you mean --data.datasets?"),
    (["--runs_dir=x"], "did you mean --run_dir?"),
    (["--optimizer=SGD"], "did you mean --model.optimizer?"),
    (["--lr=1"], "did you mean --model.optimizer.lr?"),
    (["--model.size=1M"], "did you mean model.network.size?"),
    (["word"], "unrecognized arguments: word"),
]


@pytest.mark.parametrize(("words", "message"), MISTAKES)
def test_a_mistake_in_an_option_is_named(config, capsys, words, message):
    line = rejection(["fit", "--config", config(), *words], capsys)
    assert message in line
    assert "Union" not in line
    assert len(line) < 300


def test_different_mistakes_have_different_lines(config, capsys):
    path = config()
    several = [words for words, _ in MISTAKES[:16]]
    lines = {
        tuple(words): rejection(["fit", "--config", path, *words], capsys) for words in several
    }
    assert len(set(lines.values())) == len(lines) > 10


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("run_dir: x\nmodel:\n  class_path: [a\ndata: 3\n", "line 4, column 5"),
        ("run_dir: x\nmodel:\n\tclass_path: a\n", "line 3, column 1"),
        ("", "wanted options as `name: value`, got an empty file"),
        ("[1, 2]\n", "wanted options as `name: value`, got [1, 2]"),
        (b"\x80\x81", "wanted YAML in UTF-8, got bytes that are no text"),
        (
            "run_dir: x\nmodle: {class_path: a}\n",
            MODLE,
        ),
        ("a: " + "[" * 5000 + "]" * 5000, "nested more than 100 deep"),
    ],
    ids=["syntax", "tab", "empty", "list", "bytes", "unknown", "nested"],
)
def test_a_mistake_in_a_config_is_named_with_its_file(tmp_path, capsys, text, message):
    path = tmp_path / "wrong.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    line = rejection(["fit", "--config", path], capsys)
    assert message in line
    if message != MODLE:  # found once all files are read
        assert f"{path}: " in line
        assert solve.main(["--config", str(path)]) == 2
        assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("path", "message"), [("none.yaml", "File does not exist"), ("", "Path is not a file")]
)
def test_a_config_that_is_not_there_is_named(tmp_path, capsys, path, message):
    line = rejection(["fit", "--config", tmp_path / path], capsys)
    assert message in line
    assert str(tmp_path / path) in line


def test_null_in_a_config_is_rejected_where_a_value_is_needed(config, capsys):
    path = config()
    tree = yaml.safe_load(path.read_text())
    tree["model"]["init_args"]["network"]["init_args"]["coefficient_names"] = None
    path.write_text(yaml.safe_dump(tree))
    line = rejection(["fit", "--config", path], capsys)
    assert "coefficient_names" in line


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fitt"], "did you mean fit?"),
        (["generate", "--num_ponts", "3"], "did you mean --num_points?"),
        (["study", "rnu", "x.yaml"], "did you mean run?"),
        (["study", "pan", "x.yaml"], "did you mean plan?"),
        (["study", "plan"], "file is missing"),
        (["study", "run", "x.yaml", "--jobs", "x"], "jobs: wanted int, got x"),
        (["study", "run", "x.yaml", "--jobss", "3"], "did you mean --jobs?"),
        (["export", "a", "--formt", "onnx"], "did you mean --format?"),
        (["doctor", "--folde", "x", "--signals", "3"], "unrecognized arguments: --signals"),
        (["data", "verfy", "x"], "did you mean verify?"),
        (["data", "verify"], "dataset is missing"),
        (["data", "verify", "x", "--jobs=x"], "jobs: wanted int, got x"),
        (["data", "bench", "x", "--caches=[disk]"], "caches: wanted none or memory, got ['disk']"),
        (["data", "import", "x"], "train, val or test must name at least one file"),
    ],
)
def test_a_mistake_in_any_command_is_one_line(capsys, words, message):
    assert message in rejection(words, capsys)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("--num_points=x", "num_points: wanted int, got x"),
        ("--num_pointz=3", "did you mean --num_points?"),
        ("--coefficients.eigenvalu=[1,2]", "coefficients: there is no option eigenvalu; did you"),
        ("--coefficients=PoissonCoefficient", "did you mean PoissonCoefficients?"),
        ("--decomposition=slabs", "decomposition: wanted shards or slab, got slabs"),
    ],
)
def test_a_mistake_in_generation_is_one_line(tmp_path, capsys, word, message):
    options = ["--name=a", "--coefficients=PoissonCoefficients", f"--output={tmp_path / 'a'}", word]
    assert solve.main(options) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "a").exists()


def test_what_a_parser_says_in_another_form_is_shown_as_it_is():
    assert cause("some\n  other\ncause") == "some other cause"
    assert cause('Parser key "a":\n  some cause') == "a: some cause"
    assert str(argparse.ArgumentError(None, "text")) == cause("text")


def test_a_module_of_the_working_folder_is_found(config, tmp_path, monkeypatch, capsys):
    """Behind all installed modules, so that none of the folder can take the place of one."""
    module = "class Net(__import__('torch').nn.Module):\n    coefficient_names = ()\n"
    (tmp_path / "nets_of_this_folder.py").write_text(module)
    (tmp_path / "yaml.py").write_text("raise RuntimeError('shadows an installed module')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [p for p in sys.path if p])
    words = [f"{NETWORK}.class_path=nets_of_this_folder.Net", "--print_config"]
    with pytest.raises(SystemExit) as stop:
        main(["fit", "--config", str(config()), *words])
    assert stop.value.code == 0
    assert "nets_of_this_folder.Net" in capsys.readouterr().out
