"""Costs of a study: measured once, and reported as solves until a network has paid."""

import json
import re

import numpy as np
import pytest
from heat_sets import write_heat
from small_study import TRAINER, execute, grid, rejection

from data_gen import solver_cost
from data_gen.solver_variants import Measured, Variant
from lightning_sciml.cli.main import main
from lightning_sciml.folder_lock import FolderLock
from lightning_sciml.streaming.windows import STEADY, Windows
from lightning_sciml.study.definition.reading import load_study
from lightning_sciml.study.execution.costs import (
    Costs,
    NetworkCost,
    SetCosts,
    SolverCost,
    costs_path,
    read_costs,
    write_costs,
)
from lightning_sciml.study.execution.judged_windows import JudgedWindows
from lightning_sciml.study.execution.network_cost import fingerprint, operator_options
from lightning_sciml.study.execution.plan import checked_plan
from lightning_sciml.study.execution.results import collect, finished_results
from lightning_sciml.study.report.comparisons import comparisons
from lightning_sciml.study.report.sections import Findings

SECTION = "After how many solves a network has paid"
MEASURE = ["--num_samples", "2", "--num_repeats", "1"]


def reported(path) -> str:
    """The section of the report on costs."""
    main(["study", "report", str(path)])
    page = (load_study(path).output / "report/report.html").read_text()
    return next(part for part in page.split("<h2>") if part.startswith(SECTION))


def rows_of(section) -> list[list[str]]:
    rows = re.findall("<tr>(.*?)</tr>", section)
    return [re.findall("<t[dh][^>]*>(.*?)</t[dh]>", row) for row in rows][1:]


def test_networks_never_pay_where_two_transforms_solve(study_file, capsys, monkeypatch):
    """The errors, of runs that only pretend to train, are 0.5."""
    names = ["poisson_5_10", "helmholtz_1_10", "advection_diffusion_0p2_1"]
    scratch = {"datasets": names, "inits": ["scratch"]}
    path = study_file(grids=[{**scratch, "num_samples": [8], "learning_rates": [1e-3]}])
    execute(path)
    assert "sciml study measure" in reported(path)
    main(["study", "measure", str(path), *MEASURE])
    capsys.readouterr()
    section = reported(path)
    rows = rows_of(section)
    titles = ["Poisson, λ ∈ (5, 10)", "Helmholtz, ω ∈ (1, 10)", "advection-diffusion, Ψ ∈ (0.2, 1)"]
    assert [row[0] for row in rows] == titles
    assert [row[-2:] for row in rows] == [["never", "never"]] * 3
    shown = capsys.readouterr().out
    assert len(re.findall(r"never +never", shown)) == 3
    assert (load_study(path).output / "report/error_by_cost.png").stat().st_size > 10_000

    known = costs_path(load_study(path)).read_bytes()

    def fails(*arguments, **options):
        raise AssertionError("this is measured already")

    monkeypatch.setattr(solver_cost.SteadyVariants, "measure", fails)
    monkeypatch.setattr(solver_cost.SteadyVariants, "measure_generation", fails)
    main(["study", "measure", str(path), *MEASURE])  # resumes: nothing is left
    assert costs_path(load_study(path)).read_bytes() == known


def test_what_was_measured_is_kept_where_measuring_is_ended(study_file, monkeypatch):
    path = study_file()
    execute(path)
    measure = solver_cost.SteadyVariants.measure

    def ended(self, variant, num_repeats):
        if "8 modes" in variant.name:
            raise KeyboardInterrupt
        return measure(self, variant, num_repeats)

    monkeypatch.setattr(solver_cost.SteadyVariants, "measure", ended)
    with pytest.raises(SystemExit):
        main(["study", "measure", str(path), *MEASURE])
    (known,) = read_costs(load_study(path)).sets.values()
    assert list(known.solver) == ["spectral, float64, 16 modes an axis"]
    assert known.generation_s
    assert not known.networks


def test_the_process_that_is_asked_to_measure_does_it(study_file, monkeypatch):
    """Measure with one thread: a signal to a parent would leave a child that measures on."""
    started = []

    def replaced(program, words, environment):
        started.append((words, environment["OMP_NUM_THREADS"]))
        raise SystemExit

    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.setattr("os.execve", replaced)
    with pytest.raises(SystemExit):
        main(["study", "measure", str(study_file()), *MEASURE])
    [(words, num_threads)] = started
    assert num_threads == "1"
    assert words[3:6] == ["study", "measure", str(study_file())]


def test_two_processes_do_not_measure_at_once(study_file, capsys):
    path = study_file()
    execute(path)
    report = costs_path(load_study(path)).parent
    report.mkdir()
    lock = FolderLock(report)
    assert lock.acquire()
    message = rejection("measure", path, capsys)
    assert f"another process measures in {report}" in message
    lock.release(remove=True)
    main(["study", "measure", str(path), *MEASURE])
    assert not list(report.glob(".lock"))


def test_costs_of_other_data_sets_are_kept_where_some_are_measured(study_file):
    """A pre-training set is a test set of runs that --datasets leaves out."""
    arms = {"inits": ["zero_shot"], "pretrainings": ["poisson"]}
    names = ("poisson_1_5", "poisson_5_10")
    path = study_file(grids=[{**arms, "datasets": [name]} for name in names])
    execute(path)
    main(["study", "measure", str(path), *MEASURE])
    known = costs_path(load_study(path)).read_bytes()
    main(["study", "measure", str(path), "--datasets=poisson_5_10", *MEASURE])
    assert costs_path(load_study(path)).read_bytes() == known


def test_known_costs_give_known_solves(study_file):
    """8 samples from scratch: 21 made at 2 s, 2 seeds of 1 s at 2 rates; a solve saves 0.5 s.

    With pre-training, 53 more made at 3 s and one more second.
    """
    one_draw = {"num_samples": [8], "subset_draws": "seed"}
    path = study_file(**grid(inits=["scratch", "fine_tune"], **one_draw))
    execute(path)
    study, runs, datasets = checked_plan(path)
    options = {fingerprint(operator_options(study, run, datasets)) for run in runs}
    networks = {k: NetworkCost(name="tiny", batch_size=1, elapsed_s=[0.5]) for k in options}
    exact = SolverCost(line="", name="exact", elapsed_s=[1.0], error=1e-8)
    made = SetCosts(judged="", generation_s=[2.0], solver={"exact": exact}, networks=networks)
    before = SetCosts(judged="", generation_s=[3.0])
    sets = {"poisson_5_10": made, "poisson_1_5": before}
    write_costs(study, Costs(machine="here", num_threads=1, sets=sets))
    scratch, tuned = map(str, solves(study, runs))
    assert scratch == f"{(21 * 2 + 4) / 0.5:.0f}"
    assert tuned == f"{(21 * 2 + 4 + 53 * 3 + 1) / 0.5:.0f}"
    before.generation_s.clear()  # of a set of others
    write_costs(study, Costs(machine="here", num_threads=1, sets=sets))
    scratch, tuned = map(str, solves(study, runs))
    assert scratch == f"{(21 * 2 + 4) / 0.5:.0f}"
    assert tuned == f"at least {(21 * 2 + 4 + 1) / 0.5:.0f}"


def solves(study, runs):
    """Solves of the arms of a study, and the same with pre-training given."""
    found = Findings(study, collect(finished_results(study, runs)[0]))
    compared = list(comparisons(found, read_costs(study)))
    assert {c.solves_if_given for c in compared} == {compared[0].solves}
    return [c.solves for c in compared]


def test_damaged_costs_and_those_of_another_machine_are_not_used(study_file, capsys):
    path = study_file()
    execute(path)
    study = load_study(path)
    write_costs(study, Costs(machine="another", num_threads=1))
    main(["study", "measure", str(path), *MEASURE])
    assert "costs.json is of another machine, another" in capsys.readouterr().out
    content = json.loads(costs_path(study).read_text())
    content["sets"]["poisson_1_5"]["generation_s"] = [-1.0]
    costs_path(study).write_text(json.dumps(content))
    assert "must be at least 0 and finite" in reported(path)


def heat_study(study_file, tmp_path, **recipes):
    """A study of trajectories of others, whose networks see two states and the time of a step."""
    write_heat(tmp_path / "sets/heat", fields=("u", "v"), with_source=True)
    arms = {"inits": ["scratch"], "num_samples": [2], "learning_rates": [1e-3]}
    data = {"history": 2, "batch_size": 2}
    model = {"num_channels": 4, "num_modes": 3, "coefficient_names": ["lead_time"]}
    path = study_file(
        data_dir=str(tmp_path / "sets"),
        models={"tiny": model},
        recipes={
            name: {"model": {"normalization": "standard"}, **o} for name, o in recipes.items()
        },
        downstream={"min_steps": 2, "num_validations": 1, "data": data, "trainer": TRAINER},
        grids=[{"datasets": ["heat"], **arms}],
    )
    execute(path)
    return path


@pytest.fixture
def heat(study_file, tmp_path):
    return heat_study(study_file, tmp_path, standard={})


class Solver:
    """A solver that is unstable with larger steps."""

    def lines(self):
        return [[Variant("a", name, 1, None) for name in ("fine", "coarse", "coarser")]]

    def measure(self, variant, num_repeats):
        return Measured([1.0] * num_repeats, 0.01 if variant.name == "fine" else np.inf)

    def measure_generation(self, num_repeats):
        return [2.0] * num_repeats


def test_sets_of_others_are_not_compared(heat, capsys):
    main(["study", "measure", str(heat), *MEASURE])
    assert "no solver of this project made it" in capsys.readouterr().out
    assert "No network is compared" in reported(heat)
    assert (
        "windows of their own" not in (load_study(heat).output / "report/report.html").read_text()
    )


def test_networks_are_timed_on_windows_of_trajectories(heat, monkeypatch):
    """From times 1 and 3 on, one step each."""
    asked = []
    monkeypatch.setattr(solver_cost, "solver_of", lambda *given: asked.append(given) or Solver())
    main(["study", "measure", str(heat), *MEASURE])
    (_, split, samples, moments), *others = asked
    assert (split, samples.tolist(), moments.tolist()) == ("test", [0, 1], [[1, 2], [3, 4]])
    assert not others
    known = read_costs(load_study(heat)).sets["heat"]
    assert {name: cost.error for name, cost in known.solver.items()} == {
        "fine": 0.01,
        "coarse": None,
    }
    (network,) = known.networks.values()
    assert network.elapsed_s[0] > 0


def test_networks_of_other_steps_than_the_solver_are_not_compared(
    study_file, tmp_path, monkeypatch
):
    """Each network has its own number of input states; steps twice as long are another problem."""
    monkeypatch.setattr(solver_cost, "solver_of", lambda *given: Solver())
    recipes = {"double": {}, "longer": {"data": {"stride": 2}}, "single": {"data": {"history": 1}}}
    path = heat_study(study_file, tmp_path, **recipes)
    main(["study", "measure", str(path), *MEASURE])
    assert len(read_costs(load_study(path)).sets["heat"].networks) == 2
    assert [row[1] for row in rows_of(reported(path))] == [
        "tiny, from scratch; double",
        "tiny, from scratch; single",
    ]
    page = (load_study(path).output / "report/report.html").read_text()
    assert (
        "on windows of their own. 2 input states at stride 1: double; 2 input states at stride 2: "
        "longer; 1 input state at stride 1: single. Between"
    ) in page


def test_nothing_is_measured_before_a_run_is_finished(study_file, capsys):
    with pytest.raises(SystemExit):
        main(["study", "measure", str(study_file())])
    assert "no finished downstream run" in capsys.readouterr().err


def test_a_solve_begins_at_the_newest_given_state():
    windows = Windows(num_times=9, history=2, num_steps=3, strides=(2,), is_rollout=True)
    given = {"samples": np.arange(2), "starts": np.zeros(2, np.int64), "checksum": "1"}
    judged = JudgedWindows(windows=windows, **given)
    np.testing.assert_array_equal(judged.moments, [[2, 4, 6, 8]] * 2)
    assert str(judged) == "2 samples of the set 1, 3 steps of 2 stored times from times 2"
    assert JudgedWindows(windows=STEADY, **given).moments.shape == (2, 1)
