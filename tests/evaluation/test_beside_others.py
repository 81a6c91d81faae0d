"""Test and predict may run twice at once in one folder: every file is whole, nothing is left."""

import multiprocessing
import os
import signal
from pathlib import Path

import h5py
import numpy as np
import pytest
from command_line import rejection
from lightning.pytorch.callbacks import Callback

from lightning_sciml.cli.main import main
from lightning_sciml.evaluation import kept_samples, test_report
from lightning_sciml.evaluation.predictions import PredictionWriter

FORK = multiprocessing.get_context("fork")


class AnotherPredicts(Callback):
    """Runs the same command to its end, in another process, in the middle of a prediction."""

    def __init__(self, command: list[str]) -> None:
        self.command = command

    def on_predict_batch_start(self, trainer, pl_module, batch, batch_idx, dataloader_idx=0):
        if batch_idx == 0:
            other = FORK.Process(target=main, args=(self.command,))
            other.start()
            other.join()
            assert other.exitcode == 0
            written = Path(trainer.default_root_dir) / "predictions/poisson_1_5-test.h5"
            assert prediction(written).shape == (11, 32, 32)
            assert len(list(written.parent.iterdir())) == 2  # and the file of this process


def prediction(path: Path) -> np.ndarray:
    with h5py.File(path) as file:
        return file["poisson_1_5/prediction/solution"][:]


def test_two_predictions_at_once_are_whole(config, tmp_path):
    path = str(config(max_epochs=1))
    main(["fit", "--config", path])
    folder = tmp_path / "run/predictions"
    command = ["predict", "--config", path]
    main(command)
    alone = prediction(folder / "poisson_1_5-test.h5")
    (folder / ".poisson_1_5-test.h5.1-00000000.tmp").touch()  # of a process that was killed
    init_args = {"command": command}
    callback = {"class_path": f"{__name__}.AnotherPredicts", "init_args": init_args}
    callbacked = str(config("other", max_epochs=1, callbacks=[callback]))
    main(["predict", "--config", callbacked, "--run_dir", str(tmp_path / "run")])
    np.testing.assert_array_equal(prediction(folder / "poisson_1_5-test.h5"), alone)
    assert [file.name for file in folder.iterdir()] == ["poisson_1_5-test.h5"]


def test_a_prediction_that_fails_leaves_nothing(config, tmp_path, monkeypatch):
    path = str(config(max_epochs=1))
    main(["fit", "--config", path])

    def fail(*_: object) -> None:
        raise RuntimeError("lost")

    monkeypatch.setattr(PredictionWriter, "on_predict_batch_end", fail)
    with pytest.raises(RuntimeError, match="lost"):
        main(["predict", "--config", path])
    assert list((tmp_path / "run/predictions").iterdir()) == []


class Terminates(Callback):
    """Sends SIGTERM to its own process in the first batch of a verb that reads."""

    def on_predict_batch_start(self, trainer, *_):
        os.kill(os.getpid(), signal.SIGTERM)

    on_test_batch_start = on_validation_batch_start = on_predict_batch_start


class TerminatesLate(Callback):
    """Sends SIGTERM once all callbacks have looked for it; Lightning sees it first."""

    def on_test_batch_end(self, trainer, *_):
        trainer._logger_connector.on_batch_end = lambda: os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("callback", ["Terminates", "TerminatesLate"])
def test_sigterm_ends_a_verb_that_reads_and_leaves_nothing(config, tmp_path, capsys, callback):
    """Lightning predicted on to the end, and left a test without a report with exit code 0."""
    main(["fit", "--config", str(config(max_epochs=1))])
    path = str(config("other", callbacks=[{"class_path": f"{__name__}.{callback}"}]))
    checkpoint = f"--ckpt_path={tmp_path}/run/checkpoints/best.ckpt"
    for verb in ("test",) if callback == "TerminatesLate" else ("validate", "test", "predict"):
        line = rejection([verb, "--config", path, checkpoint], capsys, exit_code=143)
        assert "ended by SIGTERM" in line
    assert [p for p in (tmp_path / "other").rglob("*") if p.is_file()] == []


@pytest.mark.parametrize("suffix", [".csv", ".npz"])
def test_a_report_that_cannot_be_written_leaves_the_one_before(
    config, tmp_path, monkeypatch, suffix
):
    path = str(config(max_epochs=1))
    main(["fit", "--config", path])
    main(["test", "--config", path])
    file = tmp_path / f"run/test/poisson_1_5{suffix}"
    before = file.read_bytes()

    def fail(stream: object, *_: object, **__: object) -> None:
        os.write(stream.fileno(), b"half")
        raise OSError("no space left")

    if suffix == ".npz":
        monkeypatch.setattr(kept_samples.np, "savez", fail)
    else:
        monkeypatch.setattr(test_report.csv, "writer", fail)
    with pytest.raises(OSError, match="no space left"):
        main(["test", "--config", path])
    assert file.read_bytes() == before
    assert len(list(file.parent.iterdir())) == 3
