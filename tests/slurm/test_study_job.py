"""A study as an array: killed tasks leave what others did; the same line does the rest."""

import time
from pathlib import Path

import pytest
import yaml
from cluster import Cluster

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(600)]
TRAINER = {"logger": False, "accelerator": "cpu", "devices": 1}


def write_study(folder: Path, dataset: Path) -> Path:
    tree = {
        "output": str(folder / "study"),
        "data_dir": str(dataset.parent),
        "models": {"tiny": {"num_channels": 4, "num_modes": 4}},
        "pretrainings": {"poisson": {"datasets": [dataset.name]}},
        "pretrain": {"min_steps": 5, "num_validations": 1, "trainer": TRAINER},
        "downstream": {
            "min_steps": 400,
            "num_validations": 2,
            "data": {"batch_size": 8},
            "trainer": TRAINER,
        },
        "grids": [
            {
                "datasets": [dataset.name],
                "inits": ["scratch", "fine_tune"],
                "pretrainings": ["poisson"],
                "num_samples": [16],
                "learning_rates": [1e-3],
            }
        ],
    }
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(tree))
    return path


def test_an_array_with_killed_tasks_submitted_again_runs_what_is_missing(
    cluster: Cluster, tmp_path, dataset
):
    file, runs = write_study(tmp_path, dataset), tmp_path / "study/runs"
    line = ("--nodes=1", "slurm/study.sbatch", file)
    pretraining = cluster.submit("--array=0", *line)
    downstream = cluster.submit(
        "--array=0-1", f"--dependency=afterok:{pretraining}", *line, "--first=1"
    )
    scratch, tuned = (next_folder(runs, kind) for kind in ("scratch", "fine_tune"))
    wait_until(lambda: (tuned() / "config.yaml").exists())
    cluster.run("scancel", "--signal=KILL", f"{downstream}_1")
    wait_until(lambda: not cluster.run("squeue", "--noheader", "--job", downstream))
    assert (scratch() / "result.json").exists()
    assert not (tuned() / "result.json").exists()
    before = (scratch() / "result.json").stat().st_mtime_ns

    again = cluster.submit("--array=0-1", *line, "--first=1")
    wait_until(lambda: not cluster.run("squeue", "--noheader", "--job", again))
    assert (tuned() / "result.json").exists()
    assert (scratch() / "result.json").stat().st_mtime_ns == before
    assert (scratch() / "log.txt").read_text().count("=== start of") == 1
    assert (tuned() / "log.txt").read_text().count("=== start of") == 2


def next_folder(runs: Path, kind: str):
    return lambda: next(runs.glob(f"{kind}-*"), runs / "none")


def wait_until(condition, timeout_s: float = 180) -> None:
    give_up_at = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < give_up_at
        time.sleep(0.2)
