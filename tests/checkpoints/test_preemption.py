"""A run that is asked to stop leaves at a completed step and resumes as if undisturbed."""

import multiprocessing
import os
import signal
from pathlib import Path
from time import sleep

import pytest
import torch
import yaml
from lightning.pytorch.callbacks import Callback
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny_run import fit, with_callbacks, write_run

from lightning_sciml.checkpoints.preemption import StopRequest
from lightning_sciml.run_folder import RunFolder

ROOT = Path(__file__).parents[2]
NUM_EPOCHS, STEPS_PER_EPOCH = 3, 5
SIGNALS = {"usr1": signal.SIGUSR1, "term": signal.SIGTERM, "int": signal.SIGINT}


class StopAt(Callback):
    """Asks the run to stop while step `step` is computed, in one of two ways."""

    def __init__(self, step: int, way: str) -> None:
        self.step, self.way = step, way

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        if trainer.global_step + 1 == self.step:
            self._ask(Path(trainer.default_root_dir))

    def _ask(self, run_dir: Path) -> None:
        if self.way == "file":
            RunFolder(run_dir).stop_requested.touch()
        else:
            os.kill(os.getpid(), SIGNALS[self.way])


class InterruptTwice(Callback):
    """Presses Ctrl-C in step 7, which two senders pass on, and a second time."""

    def on_train_batch_start(self, trainer, *args) -> None:
        if trainer.global_step + 1 == 7:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            sleep(2 * StopRequest.ONE_PRESS_S)
            os.kill(os.getpid(), signal.SIGINT)


class StopInValidation(StopAt):
    """Asks during the validation after step `step`."""

    def on_train_batch_start(self, *args) -> None:
        pass

    def on_validation_batch_start(self, trainer, *args) -> None:
        if trainer.global_step == self.step:
            self._ask(Path(trainer.default_root_dir))


class StopInSave(StopAt):
    """Asks while the first checkpoint after step `step` is put together."""

    def on_train_batch_start(self, *args) -> None:
        pass

    def on_save_checkpoint(self, trainer, *args) -> None:
        if trainer.global_step == self.step:
            self._ask(Path(trainer.default_root_dir))


def callback(name: str, **arguments: object) -> dict[str, object]:
    """A callback of this file, in a configuration."""
    return {"class_path": f"{__name__}.{name}", "init_args": arguments}


def run_dir_of(config: Path) -> Path:
    return Path(yaml.safe_load(config.read_text())["run_dir"])


@pytest.fixture(autouse=True)
def signal_handlers():
    """A run that leaves has no need to give the signals back; this process continues."""
    before = {s: signal.getsignal(s) for s in StopRequest.SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def write_config(tmp_path_factory, datasets):
    root = tmp_path_factory.mktemp("preemption")

    def write(name: str, **trainer) -> Path:
        steps = {"max_epochs": NUM_EPOCHS, "log_every_n_steps": 1, "logger": None}
        return write_run(
            root / name, [datasets["poisson_1_5"]], trainer={**steps, **trainer}, poll_s=0
        )

    return write


def outcome(config: Path) -> dict:
    """What is left of a run: weights, best and last, and the curves, each point once."""
    run_dir = run_dir_of(config)
    events = EventAccumulator(str(run_dir / "tensorboard")).Reload()
    names = ("train/loss", "val/relative_l2", "epoch")
    curves = {n: [(e.step, e.value) for e in events.Scalars(n)] for n in names}
    last, best = (
        torch.load(run_dir / "checkpoints" / name, weights_only=True)
        for name in ("last.ckpt", "best.ckpt")
    )
    assert not RunFolder(run_dir).stop_requested.exists()
    return {
        "curves": curves,
        "steps": (last["epoch"], last["global_step"], best["global_step"]),
        "weights": last["state_dict"],
        "best": best["state_dict"],
        "optimizer": last["optimizer_states"][0]["state"],
        "summary": (run_dir / "summary.json").exists(),
    }


def assert_same(got, wanted) -> None:
    if isinstance(wanted, dict):
        assert got.keys() == wanted.keys()
        for name in wanted:
            assert_same(got[name], wanted[name])
    elif isinstance(wanted, list):
        for one, other in zip(got, wanted, strict=True):
            assert_same(one, other)
    elif isinstance(wanted, torch.Tensor):
        assert torch.equal(got, wanted)
    else:
        assert got == wanted


def fit_until_stopped(config: Path, stop: type[StopAt], step: int, way: str, *options: str) -> int:
    """Run once with `stop`; the step it says it left at."""
    stopper = callback(stop.__name__, step=step, way=way)
    disturbed = with_callbacks(config, stopper)
    with pytest.raises(SystemExit) as left:
        fit(disturbed, *options)
    assert left.value.code == 0
    marker = RunFolder(run_dir_of(config)).preempted
    step_left = int(marker.read_text())
    marker.unlink()
    return step_left


@pytest.fixture(scope="module")
def undisturbed(write_config):
    config = write_config("whole")
    fit(config)
    return outcome(config)


@pytest.mark.parametrize(
    ("step", "way"),
    [(1, "int"), (4, "usr1"), (5, "file"), (7, "term"), (10, "usr1"), (14, "file")],
)
def test_stopped_at_a_step_it_ends_as_if_undisturbed(write_config, undisturbed, step, way):
    """First, last but one, last step of an epoch, which validation follows, and within one."""
    config = write_config(f"{way}_{step}")
    assert fit_until_stopped(config, StopAt, step, way) == step
    fit(config)
    assert_same(outcome(config), undisturbed)


@pytest.mark.parametrize("stop", [StopInValidation, StopInSave])
def test_stopped_in_validation_or_while_a_checkpoint_is_written(write_config, undisturbed, stop):
    config = write_config(stop.__name__)
    step = fit_until_stopped(config, stop, STEPS_PER_EPOCH, "int")
    assert step in (STEPS_PER_EPOCH, STEPS_PER_EPOCH + 1)
    fit(config)
    assert_same(outcome(config), undisturbed)


class KillAt(Callback):
    """Ends the run before a step, as SIGKILL would: nothing of ours handles it."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_start(self, trainer, *args) -> None:
        if trainer.global_step + 1 == self.step:
            raise KilledError


class KilledError(Exception):
    """What KillAt raises."""


def test_killed_its_curves_have_each_point_once(write_config, undisturbed):
    config = write_config("killed")
    for step in (8, 12):
        kill = with_callbacks(config, callback("KillAt", step=step), checkpoint_every_n_steps=3)
        with pytest.raises(KilledError):
            fit(kill)
    fit(config)
    assert_same(outcome(config), undisturbed)


def test_stopped_many_times(write_config, undisturbed):
    config = write_config("often")
    for step in (2, 3, 5, 9, 10):
        fit_until_stopped(config, StopAt, step, "usr1")
    fit(config)
    assert_same(outcome(config), undisturbed)


def test_stopped_in_epochs_that_are_cut_short(write_config):
    short = {"limit_train_batches": 3, "limit_val_batches": 1}
    whole, stopped = write_config("short", **short), write_config("short_stopped", **short)
    fit(whole)
    for step in (2, 3, 6):
        fit_until_stopped(stopped, StopAt, step, "usr1")
    fit(stopped)
    assert_same(outcome(stopped), outcome(whole))


def test_soap_goes_on_with_the_eigenbases_it_had(write_config):
    soap = ["--config", str(ROOT / "launch/configs/recipe/soap.yaml")]
    whole, stopped = write_config("soap"), write_config("soap_stopped")
    fit(whole, *soap)
    fit_until_stopped(stopped, StopAt, 7, "usr1", *soap)
    fit(stopped, *soap)
    assert_same(outcome(stopped), outcome(whole))


def test_a_request_before_the_first_step_ends_the_run_there(write_config, undisturbed):
    config = write_config("early")
    run_dir = run_dir_of(config)
    run_dir.mkdir()
    RunFolder(run_dir).stop_requested.touch()
    with pytest.raises(SystemExit) as left:
        fit(config)
    assert left.value.code == 0
    assert RunFolder(run_dir).preempted.read_text() == "0\n"
    assert not (run_dir / "checkpoints/last.ckpt").exists()
    fit(config)
    assert_same(outcome(config), undisturbed)


def test_a_request_in_the_last_step_is_void(write_config, undisturbed):
    config = write_config("late")
    last = callback("StopAt", step=NUM_EPOCHS * STEPS_PER_EPOCH, way="file")
    fit(with_callbacks(config, last))
    assert_same(outcome(config), undisturbed)


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        ({"val_check_interval": 3}, (2, 3, 10)),
        ({"val_check_interval": 4, "check_val_every_n_epoch": None}, (4, 8)),
    ],
    ids=["third_of_epoch", "fourth_of_all"],
)
def test_validation_within_an_epoch_is_neither_lost_nor_repeated(
    write_config, request, options, steps
):
    name = request.node.callspec.id
    whole, stopped = write_config(f"{name}_whole", **options), write_config(name, **options)
    fit(whole)
    for step in steps:
        fit_until_stopped(stopped, StopAt, step, "file")
    fit(stopped)
    assert_same(outcome(stopped), outcome(whole))


def test_a_step_of_several_batches_is_not_cut(write_config):
    options = {"accumulate_grad_batches": 2}
    whole = write_config("accumulated", **options)
    fit(whole)
    stopped = write_config("accumulated_stopped", **options)
    fit_until_stopped(stopped, StopAt, 2, "usr1")
    fit(stopped)
    assert_same(outcome(stopped), outcome(whole))


def test_the_first_interrupt_says_what_happens_and_the_second_ends_at_once(write_config, capfd):
    config = write_config("impatient")
    child = multiprocessing.get_context("fork").Process(target=interrupt_twice, args=(config,))
    child.start()
    child.join()
    assert child.exitcode == 128 + signal.SIGINT
    assert capfd.readouterr().err.count("press it again to end at once") == 1
    assert not RunFolder(run_dir_of(config)).preempted.exists()
    fit(config)
    assert (run_dir_of(config) / "summary.json").exists()


def interrupt_twice(config: Path) -> None:
    """Run with InterruptTwice."""
    fit(with_callbacks(config, callback("InterruptTwice"), checkpoint_every_n_steps=3))
