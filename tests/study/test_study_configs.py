"""Every study file of the repository at every scale: `sciml fit` takes the runs of each."""

import hashlib
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from small_study import TRAINER

from data_gen import solve
from data_gen.elliptic_configuration import EllipticConfig
from lightning_sciml.cli.main import main
from lightning_sciml.pde.evolution import EVOLUTION_EQUATIONS
from lightning_sciml.pde.grid import Grid
from lightning_sciml.pde.steady import EQUATIONS
from lightning_sciml.study.definition.reading import load_study
from lightning_sciml.study.definition.runs import Init
from lightning_sciml.study.execution import plan
from lightning_sciml.study.execution.generated_sets import generation_command
from lightning_sciml.study.execution.run_config import budget, run_config

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "launch/configs/study"
FILES = sorted(
    [
        *(path for path in FOLDER.rglob("*.yaml") if path.parent.name != "scale"),
        *(p for p in (ROOT / "docs/notebook").rglob("*.yaml") if "grids:" in p.read_text()),
    ]
)
STUDIES = [
    (path, scale)
    for path in FILES
    for scale in yaml.safe_load(path.read_text()).get("scales", [None])
]
# Each scale was a file of its own. What that came to: runs, checksum of their names, optimizer
# steps, samples seen, checksum of data sets and the options that generate them.
FIGURES = {
    "demo": (10, "ed1dafb1a921", 2_600, 41_600, "0bb171288568"),
    "downstream_data": (1158, "289b348dcaed", 27_132_000, 3_420_576_000, "abaccda0249d"),
    "downstream_data_tiny": (69, "f161d34def14", 30_400, 275_200, "a9f94fbbed00"),
    "downstream_data_workstation": (81, "514f4b1dc835", 69_720, 7_532_160, "5f3915390a68"),
    "mixture": (570, "e91fd5eae887", 7_704_000, 955_872_000, "abaccda0249d"),
    "mixture_tiny": (37, "1541bbcde385", 13_400, 107_200, "15af642d7346"),
    "mixture_workstation": (64, "5cccdf72f97c", 119_160, 13_740_480, "b8bfbdd3985c"),
    "model_size": (2268, "d759fd0f8f9a", 28_512_000, 3_528_576_000, "abaccda0249d"),
    "model_size_tiny": (24, "3d47f89c92ab", 13_200, 105_600, "a22b06d63d15"),
    "model_size_workstation": (114, "042aa60977c4", 100_080, 10_794_240, "0367b9a5db8c"),
    "physics_shift": (1239, "c8e48cbb02ef", 13_152_000, 1_616_256_000, "db889cb21e0b"),
    "physics_shift_tiny": (29, "bc9af300b69a", 6_800, 54_400, "6eb923c4ef7f"),
    "physics_shift_workstation": (53, "e6d1d3097b07", 39_360, 3_694_080, "4bc3f922f696"),
    "recipe": (4065, "064121f18b1d", 27_180_000, 3_041_640_000, "abaccda0249d"),
    "recipe_workstation": (2850, "6b2c765fbd73", 4_350_000, 117_816_000, "b8bfbdd3985c"),
}


def assumed(name: str) -> SimpleNamespace:
    """What a run depends on in a data set, as its configuration names it: equation_range."""
    assert (ROOT / f"launch/configs/data/{name}.yaml").exists(), name
    known = {**EQUATIONS, **EVOLUTION_EQUATIONS}
    equation = next((known[e] for e in known if name.startswith(f"{e}_")), HETEROGENEOUS)
    states = getattr(equation, "state_fields", ())
    return SimpleNamespace(
        name=name,
        coefficient_names=equation.coefficient_names,
        num_samples={"train": 32768},
        num_times=21 if states else 1,
        grid=Grid(shape=(128, 128)),
        is_evolution=bool(states),
        input_fields=() if states else getattr(equation, "input_fields", ("source",)),
        state_fields=states,
        target_fields=states or ("solution",),
    )


HETEROGENEOUS = SimpleNamespace(coefficient_names=(), input_fields=("diffusivity", "source"))


def generated(study, name):
    return {**study.generate.get("all", {}), **study.generate.get(name, {})}


def checksum(lines):
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


def is_long(path: Path, scale: str | None) -> bool:
    """Tell whether a test of a study is left to those that take long."""
    return scale != "tiny" and (path.parent == FOLDER / "evolution" or path.stem == "darcy")


@pytest.mark.parametrize(("path", "scale"), STUDIES, ids=lambda v: getattr(v, "stem", v) or "")
def test_a_study_at_a_scale_has_the_runs_that_its_own_file_had(path, scale):
    study = load_study(path, scale)
    if path.parent != FOLDER or path.stem == "darcy":
        assert scale is None or FOLDER in path.parents
        return
    runs, datasets = study.runs(), {name: assumed(name) for name in study.dataset_names}
    budgets = [budget(study, run, datasets) for run in runs]
    assert study.output.name == study.name
    assert FIGURES[study.name] == (
        len(runs),
        checksum(run.name for run in runs),
        sum(b.num_steps for b in budgets),
        sum(b.num_samples_seen for b in budgets),
        checksum(sorted(f"{name}: {generated(study, name)}" for name in study.dataset_names)),
    )


def test_sections_of_a_scale_replace_those_of_the_file(study_file, tmp_path, capsys):
    """The file lies below scale/NAME.yaml beside it, and that below scales.NAME."""
    small = {"min_steps": 4, "trainer": TRAINER}
    path = study_file(
        grid={"num_samples": [8, 16]},
        grids=[{"datasets": ["poisson_5_10"], "inits": ["scratch"], "learning_rates": [1e-3]}],
        scales={"large": {"downstream": {"epochs": 7}}, "other": {}, "small": {"title": "Small"}},
    )
    (tmp_path / "scale").mkdir()
    shared = {"title": "-", "downstream": small, "grid": {"num_samples": [8], "seeds": [3]}}
    (tmp_path / "scale/small.yaml").write_text(yaml.safe_dump(shared))
    large, small = load_study(path), load_study(path, "small")
    assert large == load_study(path, "large")
    assert (large.downstream.epochs, large.downstream.min_steps) == (7, 0)
    assert [(r.num_samples, r.seed) for r in large.runs()] == [(8, 0), (16, 0)]
    assert [(r.num_samples, r.seed) for r in small.runs()] == [(8, 3)]
    assert (small.title, small.downstream.min_steps, small.models) == ("Small", 4, large.models)
    assert (small.name, small.output) == ("small_small", tmp_path / "study_small")
    assert load_study(path, "other").downstream.min_steps == 4
    main(["study", "plan", str(path), "--scale=small"])
    assert f"slurm/study.sbatch {path} --scale small --first 0" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["study", "plan", str(path), "--scale=huge"])
    message = capsys.readouterr().err
    assert f"{path} has no scale huge; its scales are: large, other, small" in message


@pytest.mark.parametrize(
    ("path", "scale"),
    [
        pytest.param(*study, marks=[pytest.mark.slow] if is_long(*study) else [])
        for study in STUDIES
    ],
    ids=lambda v: getattr(v, "stem", v) or "",
)
def test_every_study_parses_and_so_do_its_runs(path, scale, tmp_path, capsys):
    study = load_study(path, scale)
    datasets = {name: assumed(name) for name in study.dataset_names}
    kinds = {}  # one run of each stage and optimizer
    for run in study.runs():
        init = run.init
        content = run_config(study, run, datasets)
        optimizer = content["model"]["init_args"]["optimizer"]["class_path"]
        if init in ("pretrain", Init.FINE_TUNE):
            kinds.setdefault((init, optimizer), content)
    assert "pretrain" in {init for init, _ in kinds}
    for content in kinds.values():
        config = tmp_path / "run.yaml"
        config.write_text(yaml.safe_dump(content))
        with pytest.raises(SystemExit) as stop:
            main(["fit", "--config", str(config), "--print_config"])
        assert stop.value.code == 0
        assert yaml.safe_load(capsys.readouterr().out)["run_dir"] == content["run_dir"]


@pytest.mark.parametrize(
    "scale", ["tiny", *(pytest.param(s, marks=pytest.mark.slow) for s in ("cpu", "workstation"))]
)
def test_studies_in_time_can_be_planned_once_their_data_are_made(scale, monkeypatch):
    """Generation takes the options of each set, and the plan has no fault with what that makes.

    Initial states, and media, have no more modes than the grid.
    """
    made = {}

    def manifests(study):
        for name in set(study.dataset_names) - set(made):
            words = shlex.split(generation_command(study, name))
            _, config = solve.parse(["--config", *words[5:]])
            if isinstance(config, EllipticConfig):
                assert config.diffusivity.field.num_modes <= config.num_points, words
            else:
                assert 2 * config.initial_state.num_modes < config.num_points, words
            made[name] = config.plan()
        return {name: made[name] for name in study.dataset_names}, {}

    monkeypatch.setattr(plan, "load_manifests", manifests)
    for path in [*(FOLDER / "evolution").glob("*.yaml"), FOLDER / "darcy.yaml"]:
        if path.stem == "darcy":
            made.clear()  # of another folder, by other options
        _, runs, _ = plan.checked_plan(path, scale=scale)
        assert "pretrain" in {run.init for run in runs}
