"""The paper's experiments at the scale tiny, from generation to report."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
STUDIES = ("downstream_data", "model_size", "physics_shift", "mixture")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where a user would stand; all four studies share their data sets."""
    folder = tmp_path_factory.mktemp("studies")
    for name in ("launch", "data_gen"):
        (folder / name).symlink_to(ROOT / name)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDIES)
def test_a_tiny_study_from_generation_to_report(name, folder):
    study = [f"launch/configs/study/{name}.yaml", "--scale=tiny"]
    for words in (["generate"], ["run", "--jobs=2"], ["report"]):
        command = ["study", words[0], *study, *words[1:]]
        subprocess.run(
            [sys.executable, "-m", "lightning_sciml.cli", *command], cwd=folder, check=True
        )
    report = folder / f"runs/study/{name}_tiny/report"
    assert (report / "report.html").stat().st_size > 100_000
    with (report / "results.csv").open() as file:
        rows = [r for r in csv.DictReader(file) if r["is_selected"] == "True"]
    few = [r for r in rows if r["num_samples"] == "16" and r["dataset"] == "poisson_5_10"]
    errors = {
        init: [float(r["relative_l2"]) for r in few if r["init"] == init and "helm" not in r["run"]]
        for init in ("scratch", "fine_tune")
    }
    if few:  # on 16 samples, the worst fine-tuned run beats the best from scratch
        assert max(errors["fine_tune"]) < min(errors["scratch"])
