"""Files of a run that are damaged, or hold errors that are no numbers."""

import json
from pathlib import Path

import pytest
from small_study import execute, grid, option, pretended

from lightning_sciml.cli.main import main
from lightning_sciml.run_folder import RunFolder
from lightning_sciml.study.execution.plan import checked_plan
from lightning_sciml.study.execution.run_files import State, state_of


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[1]",
        b'{"run": 3}',
        b'{"run": "x", "tests": ',
        b"[" * 200_000,
        b"\xff\xfe",
        "edit: tests",
        "edit: run",
        "edit: fit_elapsed_s",
    ],
    ids=lambda content: repr(content[:20]),
)
def test_a_damaged_result_is_said_and_the_run_done_again(study_file, capsys, content):
    path = study_file()
    assert len(execute(path).finished) == 4
    study, runs, _ = checked_plan(path)
    run = runs[1]
    result = RunFolder(study.run_dir(run)).result
    if isinstance(content, str):
        edits = {"tests": {"elsewhere": {"relative_l2": 0.1}}, "run": "other", "fit_elapsed_s": -1}
        name = content.removeprefix("edit: ")
        content = json.dumps(json.loads(result.read_text()) | {name: edits[name]}).encode()
    result.write_bytes(content)
    assert state_of(study, run) == State.DAMAGED
    main(["study", "plan", str(path)])
    main(["study", "status", str(path)])
    if not content:  # figures take their time
        main(["study", "report", str(path)])
        page = (study.output / "report/report.html").read_text()
        assert "3 of 4 runs are finished" in page
        assert f"{result} is damaged" in page
    out = capsys.readouterr().out
    assert "3 finished  0 failed  0 started  0 waiting  1 damaged" in out
    assert f"{result} " in out
    said = []
    assert len(execute(path, say=said.append).finished) == 4
    assert said[0].startswith(f"{result} ")
    assert said[0].endswith("sciml study run does this run again")
    assert state_of(study, run) == State.FINISHED


@pytest.mark.parametrize("name", ["error.json", "summary.json", "test"])
def test_other_damaged_files_of_a_run_are_no_traceback(study_file, capsys, name):
    path = study_file()

    def failing(words):
        pretended(words)
        if words[0] == "test":
            raise ValueError("for a test")

    assert len(execute(path, failing).failed) == 2  # the others wait for the pre-training
    study, runs, _ = checked_plan(path)
    folder = study.run_dir(runs[0])
    damaged = next((folder / "test").glob("*.json")) if name == "test" else folder / name
    damaged.write_bytes(b'{"message": 3}')
    main(["study", "status", str(path)])
    assert "2 failed" in capsys.readouterr().out
    if name == "error.json":
        main(["study", "status", str(path)])
        assert f"{damaged} is damaged or was edited" in capsys.readouterr().out
    assert len(execute(path).finished) == 4


@pytest.mark.parametrize(
    "content",
    [b"", b"null", b"[1]", b"a: [", b"[" * 5000, b"!!python/x y"],
    ids=lambda content: repr(content[:20]),
)
def test_a_damaged_run_yaml_is_a_fault_of_the_plan(study_file, capsys, content):
    path = study_file()
    execute(path)
    study, runs, _ = checked_plan(path)
    saved = study.run_dir(runs[0]) / "run.yaml"
    saved.write_bytes(content)
    with pytest.raises(SystemExit) as stop:
        main(["study", "plan", str(path)])
    assert stop.value.code == 2
    assert f"{saved} is damaged or was edited" in capsys.readouterr().err


def test_an_error_that_is_no_number_is_null_and_never_chosen(study_file):
    """A training whose validation is not finite is not preferred over one that is."""
    path = study_file(**grid(inits=["scratch"], num_samples=[8], seeds=[0], subset_draws=[0]))

    def diverging(words):
        pretended(words)
        folder = Path(option(words, "--config")).parent
        is_worse = "lr0.001" in folder.name
        summary = json.loads((folder / "summary.json").read_text())
        summary["best_val_relative_l2"] = None if is_worse else 0.9
        (folder / "summary.json").write_text(json.dumps(summary))
        for report in (folder / "test").glob("*.json"):
            report.write_text(json.dumps({"relative_l2": {"mean": None if is_worse else 0.4}}))

    execute(path, diverging)
    study, runs, _ = checked_plan(path)
    first, second = (json.loads((RunFolder(study.run_dir(run)).result).read_text()) for run in runs)
    assert first["tests"]["poisson_5_10"]["relative_l2"] is None
    assert second["tests"]["poisson_5_10"] == {"relative_l2": 0.4}
    main(["study", "report", str(path)])
    table = (study.output / "report/results.csv").read_text()
    assert "nan" not in table
    page = (study.output / "report/report.html").read_text()
    assert f"no finite error: {runs[0].name}" in page
