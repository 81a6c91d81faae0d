"""A setting that Lightning or torch rejects ends in one line; a bug keeps its traceback."""

import pytest
import yaml
from command_line import rejection

from lightning_sciml.cli.main import main

CALLBACKS = "--trainer.callbacks"
SCHEDULER = "--model.init_args.scheduler"
NETS = """
import torch

class Nameless(torch.nn.Module):
    pass

class Odd(torch.nn.Module):
    coefficient_names = ("k11", "k22", "k12")
    def __init__(self, width: int = 3):
        super().__init__()
        if width % 2:
            raise ValueError("width must be even")

class Needy(torch.nn.Module):
    coefficient_names = ("k11", "k22", "k12")
    def __init__(self):
        super().__init__()
        import a_package_that_is_not_there

class Broken(torch.nn.Module):
    coefficient_names = ("k11", "k22", "k12")
    def __init__(self):
        super().__init__()
        self.nothing.here()

class BrokenLater(torch.nn.Module):
    coefficient_names = ("k11", "k22", "k12")
    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(()))
    def forward(self, source, coefficients):
        raise ValueError("a bug of the network")
"""


@pytest.fixture
def nets(tmp_path, monkeypatch):
    """Puts networks with faults where a class_path finds them."""
    (tmp_path / "faulty_nets.py").write_text(NETS)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--trainer.logger=WandbLogger"], "wandb"),
        ([f"{SCHEDULER}=OneCycleLR", f"{SCHEDULER}.init_args.max_lr=0.1"], "total_steps"),
        (["--model.init_args.optimizer.init_args.lr=-1"], "Invalid learning rate: -1.0"),
        ([f"{CALLBACKS}+=EarlyStopping", f"{CALLBACKS}.monitor=val/l2"], "`val/l2` which is not"),
        ([f"{CALLBACKS}+=ModelCheckpoint", f"{CALLBACKS}.monitor=val/l2"], "monitor='val/l2'"),
        ([f"{CALLBACKS}+=LearningRateFinder"], "compare rates and batch sizes as runs"),
        ([f"{CALLBACKS}+=BatchSizeFinder"], "compare rates and batch sizes as runs"),
        ([f"{CALLBACKS}+=RichProgressBar"], "enable_progress_bar is false"),
        (["--trainer.strategy=dpp"], "invalid strategy name"),
        (["--trainer.accelerator=gpus"], "trainer.accelerator must be one of auto, gpu, "),
        (["--trainer.precision=transformer-engine"], "transformer_engine"),
        (["--trainer.max_time=soon"], "DD:HH:MM:SS"),
        (["--trainer.val_check_interval=1000"], "less than or equal to the number of the training"),
        (["--trainer.val_check_interval=1.5"], "invalid value 1.5 for val_check_interval"),
        (
            ["--trainer.val_check_interval=0"],
            "val_check_interval must be at least 1, got 0",
        ),
        (["--trainer.limit_train_batches=0"], "trainer.limit_train_batches must be at least 1"),
        (["--trainer.check_val_every_n_epoch=0"], "check_val_every_n_epoch must be at least 1"),
        (["--trainer.accumulate_grad_batches=0"], "accumulate_grad_batches must be at least 1"),
        (["--trainer.gradient_clip_val=-1"], "trainer.gradient_clip_val must be at least 0"),
        (["--trainer.gradient_clip_algorithm=l1"], "Allowed algorithms: ['value', 'norm']"),
        (["--trainer.profiler=fast"], "profiler"),
        (["--trainer.max_steps=-2"], "`max_steps` must be a non-negative integer or -1"),
        (["--trainer.fast_dev_run=-1"], "fast_dev_run=-1"),
        (["--trainer.num_nodes=0"], "num_nodes"),
        (["--trainer.devices=0,1"], "trainer.devices=0,1 cannot be used"),
        (["--poll_s=-1"], "poll_s must be at least 0, got -1"),
        (["--checkpoint_every_minutes=-1"], "checkpoint_every_minutes must be at least 0"),
        (["--model.init_args.network=faulty_nets.Nameless"], "Nameless needs an attribute coeffic"),
        (["--model.init_args.network=faulty_nets.Odd"], "width must be even"),
        (["--model.init_args.network=faulty_nets.Needy"], "a_package_that_is_not_there"),
    ],
)
def test_a_setting_that_is_rejected_is_one_line(config, nets, capsys, words, message):
    line = rejection(["fit", "--config", config(max_epochs=1), *words], capsys)
    assert message in line
    assert "Union" not in line
    assert len(line) < 600


@pytest.mark.parametrize("name", ["Broken", "BrokenLater"])
def test_a_bug_of_a_network_keeps_its_traceback(config, nets, name):
    words = ["fit", "--config", str(config()), f"--model.init_args.network=faulty_nets.{name}"]
    with pytest.raises((AttributeError, ValueError)) as error:
        main(words)
    assert any("faulty_nets.py" in str(entry.path) for entry in error.traceback) or (
        "nothing" in str(error.value)
    )


def test_a_variable_shows_the_traceback_of_a_line(config, monkeypatch):
    monkeypatch.setenv("SCIML_TRACEBACK", "1")
    with pytest.raises(ValueError, match="invalid strategy name"):
        main(["fit", "--config", str(config()), "--trainer.strategy=dpp"])


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda text: "", "got an empty file"),
        (lambda text: "- 1\n- 2\n", "wanted options as `name: value`"),
        (lambda text: text + "\x00", "control characters are not allowed"),
        (lambda text: text[: len(text) // 2] + "\n: : [", "line "),
        (
            lambda text: yaml.safe_dump(yaml.safe_load(text) | {"model": 3}),
            "model: wanted a class_path",
        ),
        (lambda text: yaml.safe_dump(yaml.safe_load(text) | {"data": None}), "data.datasets"),
        (lambda text: yaml.safe_dump(yaml.safe_load(text) | {"trainer": [1]}), "trainer: wanted"),
        (lambda text: yaml.safe_dump(yaml.safe_load(text) | {"data": 3}), "data"),
        (lambda text: yaml.safe_dump(yaml.safe_load(text) | {"run_dir": None}), "run_dir"),
        (lambda text: yaml.safe_dump(yaml.safe_load(text) | {"run_dir": [1]}), "run_dir"),
        (lambda text: yaml.safe_dump(yaml.safe_load(text) | {3: 4}), ""),
    ],
    ids=[
        "empty",
        "list",
        "nul",
        "cut",
        "model",
        "data",
        "trainer",
        "data 3",
        "no run",
        "run",
        "number",
    ],
)
def test_an_edited_config_is_one_line(config, capsys, edit, message):
    path = config()
    path.write_text(edit(path.read_text()))
    assert message in rejection(["test", "--config", path], capsys)
