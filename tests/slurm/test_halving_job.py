"""A search by halving on a cluster: the lines that the plan shows, typed as they are."""

import csv
import sys
from pathlib import Path

import pytest
import yaml
from cluster import Cluster
from test_study_job import wait_until, write_study

pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.timeout(900)]
RATES = [1e-4, 3e-4, 1e-3, 3e-3]


def write_search(folder: Path, dataset: Path) -> Path:
    path = write_study(folder, dataset)
    tree = yaml.safe_load(path.read_text())
    tree["downstream"] |= {"min_steps": 40, "num_validations": 4}
    tree["grids"][0] |= {"inits": ["scratch"], "learning_rates": RATES}
    path.write_text(yaml.safe_dump(tree | {"search": "halving", "rungs": [10, 20]}))
    return path


def test_the_rounds_of_the_plan_leave_one_rate_in_full(cluster: Cluster, tmp_path, dataset):
    file = write_search(tmp_path, dataset)
    plan = cluster.run(Path(sys.executable).parent / "sciml", "study", "plan", file)
    told = plan.partition("on a cluster")[2].splitlines()[1:]
    lines = [line.strip() for line in told if "sbatch" in line or "=" in line]
    assert sum("sbatch" in line for line in lines) == 3
    output = f"export SBATCH_OUTPUT={cluster.folder}/job-%j.out"
    cluster.run("bash", "-ec", "\n".join([output, *lines]))
    wait_until(lambda: not cluster.run("squeue", "--noheader"), timeout_s=600)

    cluster.run(Path(sys.executable).parent / "sciml", "study", "report", file)
    rows = list(csv.DictReader((tmp_path / "study/report/results.csv").open()))
    scratch = [row for row in rows if row["init"] == "scratch"]
    assert sorted(row["stopped_at_step"] for row in scratch) == ["", "10", "10", "20"]
    (selected,) = (row for row in scratch if row["is_selected"] == "True")
    assert selected["stopped_at_step"] == ""
    assert selected["num_steps"] == "40"
