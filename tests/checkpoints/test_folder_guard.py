"""One folder is one run: it is identified by content, locked, and written to after the checks."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tiny_run
import torch
from command_line import rejection
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lightning_sciml.cli.main import main
from lightning_sciml.folder_lock import FolderLock
from lightning_sciml.shards.manifest import Manifest


def fit(path: Path, *options: object) -> None:
    main(["fit", "--config", str(path), *map(str, options)])


def steps_of_curve(run: Path) -> list[int]:
    events = EventAccumulator(str(run / "tensorboard")).Reload()
    return [event.step for event in events.Scalars("train/loss")]


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in folder.rglob("*")
    }


@pytest.fixture
def copied(tmp_path, datasets):
    """Copies a data set to a folder of another name."""

    def copy(name: str, to: str) -> Path:
        return Path(shutil.copytree(datasets[name], tmp_path / to))

    return copy


def test_the_same_data_by_another_path_are_the_same_run(config, tmp_path, copied, monkeypatch):
    data, path = copied("poisson_1_5", "data"), config(max_epochs=1)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SCRATCH", str(tmp_path))
    fit(path, f"--data.datasets=[{data}]")
    fit(path, "--data.datasets=[./data]", "--trainer.max_epochs=2")
    fit(path, "--data.datasets=['${SCRATCH}/data']", "--trainer.max_epochs=3")
    data.rename(tmp_path / "moved")
    (tmp_path / "run").rename(tmp_path / "run2")
    fit(path, "--data.datasets=[moved]", "--run_dir=$SCRATCH/run2", "--trainer.max_epochs=4")
    assert not list(tmp_path.glob("$*"))
    assert json.loads((tmp_path / "run2/summary.json").read_text())["num_steps"] == 4 * 5


@pytest.mark.parametrize(
    ("option", "name"), [("datasets", "poisson_1_5"), ("replay", "poisson_5_10")]
)
def test_data_of_another_content_are_another_run(
    config, tmp_path, copied, generate, capsys, option, name
):
    data, path = copied(name, "data"), config(max_epochs=1)
    options = [f"--data.{option}=[{data}]"]
    fit(path, *options)
    provenance = torch.load(tmp_path / "run/checkpoints/last.ckpt")["provenance"]
    shutil.rmtree(data)
    generate(name, data, seed=1)
    before = content(tmp_path / "run")
    message = rejection(["fit", "--config", path, *options, "--trainer.max_epochs=2"], capsys)
    checksum = provenance["datasets"][-1]["checksum"]
    found = Manifest.load(data).checksum
    assert f"on a data set {name} with checksum {checksum}, {data} has {found};" in message
    assert content(tmp_path / "run") == before


def test_a_checkpoint_that_was_trained_again_makes_another_run(config, tmp_path, capsys):
    fit(config("pretrained", max_epochs=1))
    checkpoint = tmp_path / "pretrained/checkpoints/best.ckpt"
    options = {"model": "FineTuningModule", "model_options": {"checkpoint": str(checkpoint)}}
    path = config("tuned", max_epochs=1, **options)
    fit(path)
    moved = checkpoint.rename(tmp_path / "elsewhere.ckpt")
    more = ("--trainer.max_epochs=2", f"--model.init_args.checkpoint={moved}")
    fit(path, *more)  # the same weights by another name
    state = torch.load(moved, weights_only=True)
    state["state_dict"]["operator.network.lifting.weight"] *= 2
    torch.save(state, moved)
    message = rejection(["fit", "--config", path, *more, "--trainer.max_epochs=3"], capsys)
    assert "started from weights with checksum" in message
    assert f"{moved} has" in message


@pytest.mark.parametrize(
    "option", ["coordinates=[square]", "coordinates=[lattice]", "normalization=medians"]
)
@pytest.mark.parametrize("verb", ["test", "predict", "validate"])
def test_another_function_than_the_trained_one_is_not_evaluated(trained, capsys, option, verb):
    words = [verb, "--config", trained / "config.yaml", f"--model.init_args.{option}"]
    message = rejection(words, capsys)
    assert f"was trained with {option.split('=')[0]}=" in message
    assert "which is another function" in message


def test_the_average_over_symmetries_is_a_choice_in_evaluation(trained):
    path = ["--config", str(trained / "config.yaml")]
    means = []
    for coordinates in ("[]", "[square_average]"):
        main(["test", *path, f"--model.init_args.coordinates={coordinates}"])
        report = json.loads((trained / "test/poisson_1_5.json").read_text())
        means.append(report["relative_l2"]["mean"])
    assert means[0] != means[1]


@pytest.fixture(scope="module")
def trained(tmp_path_factory, datasets):
    """Folder of a finished run."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    trainer = {"max_epochs": 1, "logger": None, "log_every_n_steps": 2}
    return tiny_run.fit(tiny_run.write_run(folder, [datasets["poisson_1_5"]], trainer=trainer))


def test_a_second_training_in_a_folder_is_rejected(config, tmp_path, capsys):
    path, run = config(max_epochs=1), tmp_path / "run"
    run.mkdir()
    lock = FolderLock(run)
    assert lock.acquire()
    command = ["fit", "--config", path]
    assert "another process trains in" in rejection(command, capsys)
    assert content(run) == {".lock": b""}
    lock.share()  # as a study does
    fit(path)
    lock.release()


@pytest.mark.parametrize("launcher", ["torchrun", "lightning"])
def test_all_processes_hear_that_a_folder_is_taken(config, tmp_path, launcher):
    (tmp_path / "run").mkdir()
    lock = FolderLock(tmp_path / "run")
    assert lock.acquire()
    run = ["-m", "lightning_sciml.cli", "fit", "--config", config()]
    if launcher == "torchrun":
        run = ["-m", "torch.distributed.run", "--nproc-per-node=2", "--master-port=29517", *run]
    else:
        run = [*run, "--trainer.devices=2"]
    result = subprocess.run(
        [sys.executable, *map(str, run)], capture_output=True, text=True, check=False, timeout=120
    )
    assert result.returncode != 0
    assert "another process trains in" in result.stderr
    assert content(tmp_path / "run") == {".lock": b""}


@pytest.mark.parametrize(
    "option",
    [
        "--data.batch_size=0",
        "--data.datasets=[/nowhere]",
        "--data.num_train_samples=999",
        "--model.init_args.network.init_args.coefficient_names=[k11]",
        "--model.init_args.network.init_args.num_modes=17",
        "--ckpt_path=/nowhere.ckpt",
        "--trainer.overfit_batches=1",
    ],
)
@pytest.mark.parametrize("folder", ["new/run", "run"])
def test_a_start_that_fails_leaves_the_folder_as_it_was(config, tmp_path, capsys, option, folder):
    path = config()
    (tmp_path / "run").mkdir()
    (tmp_path / "run/mine.txt").write_text("mine")
    before = content(tmp_path)
    rejection(["fit", "--config", path, f"--run_dir={tmp_path / folder}", option], capsys)
    assert content(tmp_path) == before


def test_a_corrected_command_starts(config, tmp_path, capsys):
    """Also one that is corrected after the first step: no checkpoint was written before it."""
    path, rate = config(max_epochs=1), "--model.init_args.optimizer.init_args.lr="
    rejection(["fit", "--config", path, f"{rate}1e30"], capsys, exit_code=1)
    assert (tmp_path / "run/config.yaml").exists()
    fit(path, f"{rate}1e-3", "--data.batch_size=4")
    assert steps_of_curve(tmp_path / "run") == [1, 3, 5, 7, 9]


def test_started_over_a_run_leaves_nothing_of_the_one_before(config, tmp_path):
    path, run = config(max_epochs=2), tmp_path / "run"
    fit(path)
    main(["test", "--config", str(path)])
    main(["predict", "--config", str(path)])
    own = {"test/notes.json": "[]", "test/table.csv": "", "tensorboard/notes.txt": ""}
    own |= {"predictions/mine.h5": "", "mine/summary.json": ""}
    for name, text in own.items():
        (run / name).parent.mkdir(exist_ok=True)
        (run / name).write_text(text)
    fit(path, "--resume", "false", "--trainer.max_epochs=1")
    assert steps_of_curve(run) == [1, 3]
    files = {str(p.relative_to(run)) for p in run.rglob("*") if p.is_file()}
    events = {name for name in files if "events.out" in name}
    assert len(events) == 1
    assert files - events == {
        *own,
        *("config.yaml", "summary.json", "checkpoints/best.ckpt", "checkpoints/last.ckpt"),
        "tensorboard/hparams.yaml",
    }


def test_a_removal_that_was_killed_is_finished_by_the_next_start(config, tmp_path, monkeypatch):
    """Whatever that start says of resuming: half of a run is neither resumed nor in the way."""
    path, run = config(max_epochs=2), tmp_path / "run"
    fit(path, "--checkpoint_every_n_steps=3")

    def killed(checkpoints: Path, *, but: str | None) -> None:
        (checkpoints / "last.ckpt").unlink()
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr("lightning_sciml.checkpoints.folder_guard.remove_checkpoints", killed)
        with pytest.raises(RuntimeError, match="killed"):
            fit(path, "--resume=false", "--data.batch_size=4")
    assert (run / "checkpoints/previous.ckpt").exists()
    fit(path, "--data.batch_size=4", "--trainer.max_epochs=1")
    assert steps_of_curve(run) == [1, 3, 5, 7, 9]
    assert not {".removing", ".lock"} & {file.name for file in run.iterdir()}


@pytest.mark.parametrize(
    ("options", "left"), [([], []), (["--ckpt_path=run/checkpoints/last.ckpt"], ["last.ckpt"])]
)
def test_started_over_and_stopped_at_once_a_run_keeps_what_it_starts_from_alone(
    config, tmp_path, monkeypatch, options, left
):
    """What a launcher starts again is resumed: another run's checkpoint must be gone by then."""
    monkeypatch.chdir(tmp_path)
    path, run = config(max_epochs=1), tmp_path / "run"
    fit(path)
    (run / "STOP_REQUESTED").touch()
    with pytest.raises(SystemExit) as stop:
        fit(path, "--resume=false", "--trainer.max_epochs=2", *options)
    assert stop.value.code == 0
    assert (run / "PREEMPTED").exists()
    assert [p.name for p in (run / "checkpoints").iterdir()] == left


@pytest.mark.parametrize("verb", ["test", "validate", "predict"])
def test_verbs_that_read_leave_the_curves_of_the_training(config, tmp_path, verb):
    init_args = {"save_dir": str(tmp_path / "run"), "name": "curves", "version": ""}
    logger = {"class_path": "lightning.pytorch.loggers.CSVLogger", "init_args": init_args}
    fit(config(max_epochs=1, logger=logger))
    before = content(tmp_path / "run/curves")
    assert before["metrics.csv"].count(b"\n") > 2
    main([verb, "--config", str(tmp_path / "run/config.yaml")])
    assert content(tmp_path / "run/curves") == before


def test_a_try_leaves_nothing(config, tmp_path):
    fit(config(max_epochs=1), "--trainer.fast_dev_run=true")
    assert not (tmp_path / "run").exists()


def test_a_resumed_run_keeps_its_curve(config, tmp_path):
    path = config()
    fit(path, "--trainer.max_epochs=1")
    fit(path, "--trainer.max_epochs=2")
    assert steps_of_curve(tmp_path / "run") == [1, 3, 5, 7, 9]
