"""A run that cannot begin or cannot continue ends in one line that says why."""

import pytest
import yaml
from command_line import rejection

from lightning_sciml.cli.main import main


def test_a_loss_that_is_not_finite_names_epoch_step_and_samples(config, capsys):
    path = config(max_epochs=50)
    rate = "--model.init_args.optimizer.init_args.lr=1e30"
    message = rejection(["fit", "--config", path, rate], capsys, exit_code=1)
    assert "the loss is not finite at epoch 0, step 1, on 8 of 8 samples" in message
    assert "poisson_1_5:" in message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--trainer.max_epoch_s=3"], "max_epoch_s"),
        (["--data.datasets=[/nowhere]"], "/nowhere"),
        (["--data.batch_size=0"], "batch_size must be at least 1, got 0"),
        (["--data.num_train_samples=999"], "has 40 train samples, 999 were asked for"),
        (["--model.init_args.network.init_args.num_modes=17"], "num_modes=17"),
        (["--model.init_args.network.init_args.coefficient_names=[k11]"], "coefficient_names"),
        (["--run_dir=/proc/nothing"], "run_dir must be a folder that can be written"),
        (["--seed_everything=-1"], "seed_everything must be at least 0, got -1"),
        (["--trainer.max_epochs=0"], "trainer.max_epochs must be at least 1"),
        (["--trainer.overfit_batches=1"], "to overfit a few, set data.num_train_samples"),
        (["--model.init_args.augmentations=[square, square]"], "must name each entry once"),
        (["--model.init_args.coordinates=[lattice, lattice]"], "must name each entry once"),
        (["--model.init_args.scheduler_interval=epoch"], "needs a scheduler, got none"),
        (["--data.replay_share=0.25"], "needs data sets in replay, got none"),
        (["--checkpoint_every_n_steps=0"], "checkpoint_every_n_steps must be at least 1, got 0"),
        (["--ckpt_path=/nowhere.ckpt"], "nothing is at /nowhere.ckpt"),
    ],
)
def test_invalid_options_are_rejected_in_one_line(config, capsys, arguments, message):
    assert message in rejection(["fit", "--config", config(), *arguments], capsys)


def test_a_misspelt_key_is_named(config, capsys):
    path = config()
    tree = yaml.safe_load(path.read_text())
    tree["trainer"]["max_epoch"] = 3
    path.write_text(yaml.safe_dump(tree))
    assert "max_epoch" in rejection(["fit", "--config", path], capsys)


def test_another_run_in_the_same_folder_is_rejected(config, capsys):
    path = config()
    main(["fit", "--config", str(path)])
    message = rejection(["fit", "--config", path, "--data.batch_size=4"], capsys)
    assert "data.batch_size=8, this one has 4" in message


def test_a_checkpoint_of_another_network_is_rejected(config, tmp_path, capsys):
    main(["fit", "--config", str(config("pretrained"))])
    options = {
        "model": "FineTuningModule",
        "model_options": {"checkpoint": str(tmp_path / "pretrained/checkpoints/best.ckpt")},
    }
    path = config("modes", **options)
    wider = "--model.init_args.network.init_args.num_channels=6"
    assert (
        "(4, 4), " in (line := rejection(["fit", "--config", path, wider], capsys)) or "(6" in line
    )


def test_missing_checkpoints_are_rejected(config, capsys):
    assert "needs a checkpoint" in rejection(["test", "--config", config()], capsys)
    path = config(model="FineTuningModule", model_options={"checkpoint": "none.ckpt"})
    assert "nothing is there" in rejection(["fit", "--config", path], capsys)
