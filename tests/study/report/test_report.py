"""What a report says, of runs whose errors are given instead of trained."""

import json
import re

import pytest
from small_study import grid, pretended

from lightning_sciml.cli.main import main
from lightning_sciml.study.definition.runs import Init
from lightning_sciml.study.execution.execute import Executor
from lightning_sciml.study.execution.plan import checked_plan
from lightning_sciml.study.execution.results import write_result, write_table
from lightning_sciml.study.report.page import Page


def pretend(path, error, val_error=lambda run: None):
    """Finish every downstream run of a study without training, with errors of its own."""
    study, runs, datasets = checked_plan(path)
    for run in runs:
        if run.init != Init.PRETRAIN:
            folder = study.run_dir(run)
            (folder / "test").mkdir(parents=True)
            (folder / "log.txt").touch()
            num_parameters = study.models[run.model]["num_channels"] ** 2
            summary = {"num_parameters": num_parameters, "num_steps": 4, "elapsed_s": 1.0}
            summary["best_val_relative_l2"] = val_error(run)
            (folder / "summary.json").write_text(json.dumps(summary))
            tested = {"num_samples": 1, "relative_l2": {"mean": error(run)}, "new": {"mean": 0.5}}
            (folder / f"test/{run.datasets[0]}.json").write_text(json.dumps(tested))
            write_result(study, run, datasets)
    main(["study", "report", str(path)])
    page = (study.output / "report/report.html").read_text()
    sections = (part.split("</h2>") for part in page.split("<h2>")[1:])
    return study.output / "report", dict(sections)


def test_the_report_says_what_a_recipe_saves(study_file, capsys):
    path = study_file(
        **grid(inits=["fine_tune"], learning_rates=[1e-3], seeds=[0], subset_draws=[0]),
        recipes={"paper": {}, "relative": {"model": {"loss": "relative_l2"}}},
    )
    errors = {("paper", 8): 0.4, ("paper", 16): 0.2, ("relative", 8): 0.2, ("relative", 16): 0.1}
    folder, sections = pretend(path, lambda run: errors[run.recipe, run.num_samples])
    capsys.readouterr()
    table = sections["Samples that recipes need for the best error of paper"]
    assert "relative</td><td>≤ 8</td><td>≥ 2</td>" in table
    main(["study", "report", str(path), "--recipes", "relative"])
    shown = capsys.readouterr().out
    assert "0.1000" in shown
    assert "0.4000" not in shown
    header, *table = (folder / "results.csv").read_text().splitlines()
    assert len(table) == 4  # it has all recipes
    assert "val_relative_l2,relative_l2,new,num_steps" in header  # and all metrics of the test
    assert "recipes need" not in (folder / "report.html").read_text()
    with pytest.raises(SystemExit):
        main(["study", "report", str(path), "--recipes", "none"])
    assert "recipes must be some of paper, relative, got none" in capsys.readouterr().err


def test_the_report_shows_errors_by_rate_and_the_chosen_rates(study_file, capsys):
    """The test error grows with the rate; validation prefers 3e-3 for two of three seeds."""
    path = study_file(**grid(inits=["scratch"], num_samples=[8], seeds=[0, 1, 2], subset_draws=[0]))
    preferred = {0: 3e-3, 1: 3e-3, 2: 1e-3}
    _, sections = pretend(
        path,
        lambda run: 100 * run.learning_rate,
        lambda run: 0.1 if run.learning_rate == preferred[run.seed] else 0.2,
    )
    row = "<td>0.1000</td><td>0.3000</td><td>0.003 (2×), 0.001 (1×)</td>"
    assert row in sections["Error by learning rate"]
    assert "fine-tuned" not in sections["Error by learning rate"]  # which has one rate
    shown = capsys.readouterr().out.splitlines()
    header = next(line for line in shown if line.startswith("test set"))
    assert header.split()[-5:] == ["rate", "0.001", "rate", "0.003", "chosen"]
    assert shown[shown.index(header) + 1].endswith("0.3000  0.003 (2×), 0.001 (1×)")


def test_runs_that_all_diverged_are_reported_by_rate(study_file, capsys):
    path = study_file(**grid(inits=["scratch"], num_samples=[8], seeds=[0], subset_draws=[0]))
    _, sections = pretend(path, lambda run: None)
    assert "No run has a finite error" in sections["Error against downstream samples"]
    assert sections["Error by learning rate"].count("not finite") == 2
    assert "not finite" in capsys.readouterr().out


def test_the_report_shows_sizes_shifts_and_laws(study_file):
    path = study_file(
        **grid(
            datasets=["poisson_5_10", "poisson_1_5", "helmholtz_1_10"],
            inits=["scratch", "fine_tune"],
            num_samples=[4, 8, 16, 24, 32],
            learning_rates=[1e-3],
            subset_draws="seed",
        ),
        models={"4": {"num_channels": 4, "num_modes": 4}, "6": {"num_channels": 6, "num_modes": 4}},
    )
    factor = {Init.SCRATCH: 1.0, Init.FINE_TUNE: 0.5}
    noise = {0: 0.99, 1: 1.01}
    folder, sections = pretend(
        path, lambda run: 0.1 + factor[run.init] * noise[run.seed] * run.num_samples**-0.7
    )
    for figure in ("samples", "model_size", "shift", "parameter"):
        assert (folder / f"error_by_{figure}.png").stat().st_size > 10_000
        assert (folder / f"error_by_{figure}.svg").stat().st_size > 10_000
    laws = sections["Power laws: error = a n^-b + c"]
    exponents = [float(b) for b in re.findall(r"<td>(0\.\d+) \[", laws)[::2]]
    assert len(exponents) == 3 * 2 * 2
    assert exponents == pytest.approx([0.7] * len(exponents), abs=0.02)
    assert "<td>Helmholtz, ω ∈ (1, 10)</td><td>1.000</td>" in sections[
        "Shift from the pre-training set"
    ].replace(' class="text"', "")
    assert "<td>0.000</td>" in sections["Shift from the pre-training set"]  # of its own set


def test_intervals_of_one_replicate_are_not_written(study_file):
    sizes = {"num_samples": [4, 8, 16, 24, 32], "seeds": [0], "subset_draws": "seed"}
    path = study_file(**grid(inits=["scratch", "fine_tune"], learning_rates=[1e-3], **sizes))
    _, sections = pretend(path, lambda run: 0.1 + run.num_samples**-0.7)
    for title in ("Power laws: error = a n^-b + c", "Samples needed for an error"):
        assert "<td>" in sections[title]
        assert "[" not in sections[title]


def test_a_report_that_is_ended_leaves_the_table_and_the_page_before_it(tmp_path, monkeypatch):
    def ended(path, **options):
        raise KeyboardInterrupt

    for name in ("results.csv", "report.html"):
        (tmp_path / name).write_text("before")
    monkeypatch.setattr("lightning_sciml.shards.durable._fsync", ended)
    with pytest.raises(KeyboardInterrupt):
        write_table([], tmp_path / "results.csv")
    with pytest.raises(KeyboardInterrupt):
        Page(tmp_path).write("after")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "results.csv": "before",
        "report.html": "before",
    }


def test_sets_that_are_not_made_yet_do_not_keep_others_from_the_report(study_file):
    arms = {"inits": ["scratch"], "num_samples": [8], "learning_rates": [1e-3]}
    path = study_file(grids=[{"datasets": ["poisson_5_10", "not_made"], **arms}])
    study, runs, datasets = checked_plan(path, datasets=["poisson_5_10"])
    Executor(study, datasets, verb=pretended, jobs=1, say=print).execute(runs)
    main(["study", "report", str(path)])
    page = (study.output / "report/report.html").read_text()
    assert "1 of 2 runs are finished" in page


def test_the_report_of_an_unfinished_study_does_not_contradict_itself(study_file):
    """One replicate of one arm, three of another: a band is drawn, and not denied."""
    path = study_file(
        **grid(inits=["scratch", "fine_tune"], num_samples=[8], learning_rates=[1e-3])
    )
    folder, _ = pretend(path, lambda run: 0.5 + 0.1 * run.seed + 0.01 * run.subset_draw)
    for result in sorted((folder.parent / "runs").glob("fine_tune-*/result.json"))[1:]:
        result.unlink()
    main(["study", "report", str(path)])
    page = (folder / "report.html").read_text()
    assert "Arms have 1 to 6 replicates: those with one have no band" in page
    assert "There is one replicate" not in page
    assert "fine-tuned (1 replicate)" in page
