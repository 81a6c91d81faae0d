"""Data sets of a study: made where they are missing, compared where they are there."""

import re
import sys

import pytest
from small_study import grid, rejection

from lightning_sciml.cli.main import main
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.study.definition.reading import load_study
from lightning_sciml.study.execution.generated_sets import generation_command


@pytest.mark.parametrize(
    ("options", "faults"),
    [
        (
            {"coefficients.eigenvalue": [2, 3]},
            ["coefficients.eigenvalue=[1.0, 5.0], the study wan"],
        ),
        ({"coefficients": {"init_args": {"eigenvalue": [2, 3]}}}, ["eigenvalue=[1.0, 5.0], the"]),
        ({"coefficients.eigenvalue": [1, 5], "source.periodic": False, "num_modes": 16}, []),
        ({"coefficients.eigenvalue": "[1, 5]", "coefficients.diffusivity": "1e-2"}, []),
        ({"coefficients.class_path": "data_gen.coefficients.PoissonCoefficients"}, []),
        ({"boundary": "periodic", "lengths": [1, 1]}, []),
        ({"boundary": "dirichlet"}, ["boundary=periodic, the study wants dirichlet"]),
        ({"shard_size": 7, "resume": False, "shrad_size": 7}, ["shrad_size=nothing, the study"]),
        ({"source.periodic": True, "seed": 1, "num_points": 48}, ["periodic", "seed", "points"]),
    ],
)
def test_data_made_with_other_options_are_rejected(study_file, capsys, options, faults):
    path = study_file(generate={"poisson_1_5": options})
    if not faults:
        main(["study", "plan", str(path)])
        return
    message = rejection("plan", path, capsys)
    assert f"cannot start, {len(faults)} fault" in message
    for fault in faults:
        assert re.search(rf"/poisson_1_5 was made with \S*{re.escape(fault)}", message)


def test_data_that_go_by_another_name_are_rejected(study_file, datasets, tmp_path, capsys):
    for name in ("poisson_1_5", "wide"):
        (tmp_path / name).symlink_to(datasets["poisson_1_5"])
    path = study_file(**grid(datasets=["wide"]), data_dir=str(tmp_path))
    message = rejection("plan", path, capsys)
    assert "wide is called poisson_1_5 in its manifest, the study wants wide; make it" in message


def test_missing_data_sets_are_made_by_the_mpirun_beside_this_python(
    study_file, tmp_path, monkeypatch, capsys
):
    size = {"num_points": 32, "num_train_samples": 8, "num_val_samples": 1, "num_test_samples": 1}
    path = study_file(data_dir=str(tmp_path / "data"), generate={"all": size})
    monkeypatch.setenv("PATH", "")
    main(["study", "generate", str(path)])
    assert Manifest.load(tmp_path / "data/poisson_5_10").num_samples["train"] == 8
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    main(["study", "generate", str(path)])  # nothing is missing
    path = study_file(data_dir=str(tmp_path / "other"))
    assert "mpirun is not on the PATH; load" in rejection("generate", path, capsys)


def test_null_leaves_an_option_of_all_sets_out(study_file, tmp_path):
    generate = {"all": {"num_points": 32, "seed": 3}, "poisson_5_10": {"seed": None}}
    study = load_study(study_file(data_dir=str(tmp_path), generate=generate))
    assert "--num_points 32 --seed 3" in generation_command(study, "poisson_1_5")
    assert generation_command(study, "poisson_5_10").endswith("--num_points 32")
