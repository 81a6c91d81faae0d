"""Several processes share the runs of a study; a run that cannot start is one line."""

import threading
import time

import torch
import yaml
from small_study import execute, grid, in_background, option, pretended, rejection

from lightning_sciml.folder_lock import FolderLock
from lightning_sciml.study.definition.runs import Init
from lightning_sciml.study.execution.execute import Executor
from lightning_sciml.study.execution.plan import checked_plan


def test_two_studies_at_once_both_end_with_all_runs_finished(study_file, tmp_path):
    path = study_file(**grid(num_samples=[8, 16], seeds=[0], subset_draws=[0]))
    log = tmp_path / "fits"

    def slow(words):
        time.sleep(0.2)
        if words[0] == "fit":
            with log.open("a") as file:
                file.write(option(words, "--config") + "\n")
        pretended(words)

    def study(number):
        outcome = execute(path, slow)
        assert not outcome.failed
        assert not outcome.left
        (tmp_path / f"finished{number}").write_text(str(len(outcome.finished)))

    both = [in_background(study, number) for number in (0, 1)]
    for process in both:
        process.join(60)
        assert process.exitcode == 0
    num_runs = str(len(checked_plan(path)[1]))
    assert [(tmp_path / f"finished{n}").read_text() for n in (0, 1)] == [num_runs] * 2
    fits = log.read_text().splitlines()
    assert len(fits) == len(set(fits)) > 4  # none was trained twice


def test_a_run_that_another_process_holds_is_waited_for(study_file):
    path = study_file()
    study, runs, datasets = checked_plan(path)
    folder = study.run_dir(runs[0])
    folder.mkdir(parents=True)
    lock = FolderLock(folder)
    assert lock.acquire()
    said = []

    def say(line):
        said.append(line)
        if "another process is at it" in line:
            lock.release()  # it has died without a result

    outcome = Executor(study, datasets, verb=pretended, jobs=1, say=say).execute(runs)
    assert len(outcome.finished) == len(runs)
    assert said[0].startswith(f"{runs[0].name} waits for {folder.name}: another process")


def test_a_folder_that_cannot_be_written_is_one_line(study_file, capfd):
    path = study_file()
    study, runs, _ = checked_plan(path)
    study.run_dir(runs[0]).parent.mkdir(parents=True)
    study.run_dir(runs[0]).touch()
    outcome = execute(path)
    assert [r for r in outcome.finished if r.init != Init.PRETRAIN]
    assert runs[0] in outcome.left
    assert f"{runs[0].name} failed: File exists" in capfd.readouterr().err


def work_in_threads(words):
    """Gather in eight threads at once, then leave what a run leaves."""
    barrier, errors = threading.Barrier(8), []

    def gather():
        barrier.wait()
        try:
            torch.index_select(torch.zeros(64, 1024), 0, torch.arange(64))
        except RuntimeError as error:
            errors.append(error)

    threads = [threading.Thread(target=gather) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    pretended(words)


def test_threads_of_a_run_that_start_at_once_find_a_pool_to_work_in(study_file):
    """Start eight threads at once in each process that is forked after the checks of a plan.

    Without a new pool, one process in five failed here with "Invalid thread pool!".
    """
    path = study_file(**grid(inits=["scratch"], num_samples=[8], learning_rates=[1e-3]))
    torch.set_num_threads(torch.get_num_threads())  # makes the pool that the fork breaks
    study, runs, datasets = checked_plan(path)
    for _ in range(8):
        said: list[str] = []
        executor = Executor(study, datasets, verb=work_in_threads, jobs=1, say=said.append)
        assert not executor.execute(runs).failed, said
        for run in runs:
            (study.run_dir(run) / "result.json").unlink()


def test_a_run_that_failed_before_its_first_checkpoint_starts_anew(study_file, tmp_path, capsys):
    def failing(words):
        raise ValueError("no such field")

    changes = grid(inits=["scratch"], num_samples=[8], learning_rates=[1e-3], seeds=[0])
    assert len(execute(study_file(**changes), verb=failing).failed) == 3
    others = {"models": {"tiny": {"num_channels": 4, "num_modes": 3}}}
    folder = next((tmp_path / "study/runs").iterdir())
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints/last.ckpt").touch()
    message = rejection("plan", study_file(**changes, **others), capsys)
    assert "cannot start, 1 fault:" in message
    assert f"{folder} holds a run with another configuration" in message
    (folder / "checkpoints/last.ckpt").unlink()
    assert len(execute(study_file(**changes, **others)).finished) == 3
    saved = yaml.safe_load((folder / "run.yaml").read_text())["model"]["init_args"]["network"]
    assert saved["init_args"]["num_modes"] == 3
