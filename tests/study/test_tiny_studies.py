"""Studies at the scale tiny, from generation to report."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
STUDIES = (
    *("downstream_data", "model_size", "physics_shift", "mixture", "darcy"),
    *(f"evolution/{name}" for name in ("data", "size", "shift", "mixture", "steps")),
)
FEW = {"poisson_5_10": "16", "burgers_0p01_0p03": "1", "unsteady_advection_diffusion_1_2": "1"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where a user would stand; steady studies share their data sets."""
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
    controls = ("helmholtz", "shuffled")
    for dataset, number in FEW.items():
        errors = {"scratch": [], "fine_tune": []}
        for r in rows:
            is_few = (r["dataset"], r["num_samples"], r["field"]) == (dataset, number, "all")
            if is_few and not any(name in r["pretraining"] for name in controls):
                errors.setdefault(r["init"], []).append((r["model"], float(r["relative_l2"])))
        for model in {model for model, _ in errors["scratch"]}:
            scratch, tuned = (
                [e for m, e in errors[i] if m == model] for i in ("scratch", "fine_tune")
            )
            if tuned:  # on few samples, the worst fine-tuned run beats the best from scratch
                assert max(tuned) < min(scratch)
