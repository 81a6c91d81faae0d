"""Studies of evolutions with several fields, on grids that differ."""

import csv
import json
from pathlib import Path

import pytest
import yaml
from small_study import execute, option, pretended, rejection

from lightning_sciml.cli.main import main
from lightning_sciml.study.execution.plan import checked_plan
from lightning_sciml.study.execution.run_config import run_config


def test_networks_take_and_predict_the_fields_of_their_data(heat_study):
    study, runs, datasets = checked_plan(heat_study())
    for run in runs:
        arguments = run_config(study, run, datasets)["model"]["init_args"]["network"]["init_args"]
        assert arguments["input_fields"] == ["source", "u@-1", "v@-1", "u", "v"]
        assert arguments["output_fields"] == ["u", "v"]
    study, runs, datasets = checked_plan(heat_study(["plain"], ["plain"]))
    arguments = run_config(study, runs[0], datasets)["model"]["init_args"]["network"]["init_args"]
    assert arguments["input_fields"] == ["u@-1", "u"]
    assert "output_fields" not in arguments  # one field, whatever its name


def test_coordinates_and_masks_are_added_to_the_fields_of_the_data(heat_study):
    study, runs, datasets = checked_plan(heat_study(input_fields=["x", "mask_v"]))
    for run in runs:
        arguments = run_config(study, run, datasets)["model"]["init_args"]["network"]["init_args"]
        assert arguments["input_fields"] == ["source", "u@-1", "v@-1", "u", "v", "x", "mask_v"]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        (
            {"data": {"history": 4, "num_unrolled_steps": 2}},
            "pretrain.data: windows of history=4 and num_unrolled_steps=2 at stride=1 take 6 "
            "stored times, the trajectories of before have 5; history + num_unrolled_steps up to 5",
        ),
        (
            {"input_fields": ["u", "v", "x", "y"]},
            "models.tiny: input_fields ['u', 'v', 'x', 'y'] lack source, u@-1, v@-1 of before; add",
        ),
        ({"output_fields": ["v"]}, "models.tiny: output_fields ['v'] lack u of before; add"),
        ({"num_modes": 5}, "models.tiny: 5 modes need at least 10 points an axis, before has 8x12"),
        ({"pretraining": ["plain"]}, "the network has no channel source, v@-1, v, v; take zero_sh"),
    ],
)
def test_fields_and_grids_that_do_not_fit_are_one_line_of_the_plan(
    heat_study, capsys, changes, fault
):
    assert fault in rejection("plan", heat_study(**changes), capsys)


def test_results_carry_the_field(heat_study, tmp_path):
    def with_fields(words):
        pretended(words)
        if words[0] == "test":
            config = yaml.safe_load(Path(option(words, "--config")).read_text())
            (name,) = (folder.rpartition("/")[2] for folder in config["data"]["datasets"])
            report = {"relative_l2": {"mean": 0.3}, "steps": [{"relative_l2": {"mean": 9.0}}]}
            errors = {"u": 0.2, "v": 0.4}
            report["fields"] = {f: {"relative_l2": {"mean": e}} for f, e in errors.items()}
            path = Path(config["run_dir"]) / f"test/{name}.json"
            path.write_text(json.dumps(report))

    path = heat_study()
    execute(path, verb=with_fields)
    main(["study", "report", str(path)])
    rows = list(csv.DictReader((tmp_path / "study/report/results.csv").read_text().splitlines()))
    errors = {(r["field"], float(r["relative_l2"])) for r in rows}
    assert errors == {("all", 0.3), ("u", 0.2), ("v", 0.4)}
    assert len(rows) == 4 * 3
    page = (tmp_path / "study/report/report.html").read_text()
    assert "Error by field" in page
    assert "<td>0.2000</td><td>0.4000</td>" in page


@pytest.mark.slow
def test_a_study_of_trajectories_runs_and_reports(heat_study, tmp_path):
    path = heat_study()
    main(["study", "run", str(path)])
    main(["study", "report", str(path)])
    report = tmp_path / "study/report"
    rows = list(csv.DictReader((report / "results.csv").read_text().splitlines()))
    means = {}
    for row in rows:
        means.setdefault(row["run"], {})[row["field"]] = float(row["relative_l2"])
    for errors in means.values():
        assert errors["all"] == pytest.approx((errors["u"] + errors["v"]) / 2, rel=1e-4)
    assert {p.name for p in report.glob("samples_*.png")} == {
        "samples_after_u.png",
        "samples_after_v.png",
    }


def test_a_steady_set_beside_evolving_ones_has_no_increment(heat_study, datasets):
    """A recipe of increments is of both; the steady network predicts the state itself."""
    recipes = {"one": {"model": {"predicts": "increment", "normalization": "standard"}}}
    path = heat_study(recipes=recipes, data={"batch_size": 4})
    tree = yaml.safe_load(path.read_text())
    (Path(tree["data_dir"]) / "poisson_1_5").symlink_to(datasets["poisson_1_5"])
    tree["pretrainings"] |= {
        "steady": {"datasets": ["poisson_1_5"]},
        "both": {"datasets": ["poisson_1_5", "before"]},
    }
    of_steady = {"datasets": ["poisson_1_5"], "pretrainings": ["steady", "both"]}
    tree["grids"].append({**of_steady, "inits": ["zero_shot"]})
    path.write_text(yaml.safe_dump(tree))
    study, runs, manifests = checked_plan(path)
    predicts = {
        (run.init, run.pretraining): run_config(study, run, manifests)["model"]["init_args"].get(
            "predicts"
        )
        for run in runs
    }
    assert predicts.pop(("pretrain", "steady")) is None
    assert predicts.pop(("zero_shot", "steady")) is None
    assert set(predicts.values()) == {"increment"}
