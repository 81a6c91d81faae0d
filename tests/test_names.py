"""Names become names of files and texts of figures, so few characters are allowed."""

from pathlib import Path

import pytest
import yaml

from data_gen import solve
from lightning_sciml.errors import InputError
from lightning_sciml.names import LONGEST_NAME, check_name
from lightning_sciml.pde.grid import Grid
from lightning_sciml.shards.dataset_names import joined
from lightning_sciml.shards.dataset_plan import DatasetPlan
from lightning_sciml.study.definition.reading import load_study

CONFIGS = Path(__file__).parent.parent / "launch/configs"
GOOD = ["a", "poisson_1_5", "2.5", "a-b.c_d", "x" * LONGEST_NAME]
BAD = ["", ".", "..", "-", "a b", "a/b", "a\n", "$\\frac{", "é", "a\x1b", "x" * 245, None, 3]


@pytest.mark.parametrize("name", GOOD)
def test_a_good_name_is_accepted(name):
    check_name(name)


@pytest.mark.parametrize("name", BAD)
def test_a_name_that_makes_no_file_name_is_rejected_in_a_short_line(name):
    with pytest.raises(InputError, match="at most 100 characters") as error:
        check_name(name)
    assert len(str(error.value)) < 300


@pytest.mark.parametrize("name", ["$\\frac{", "x" * 245])
def test_generation_a_plan_and_a_study_keep_the_rule(tmp_path, capsys, name):
    options = ["--coefficients=PoissonCoefficients", "--coefficients.eigenvalue=[1, 2]"]
    assert solve.main([f"--name={name}", *options, f"--output={tmp_path / 'a'}"]) == 2
    assert "at most 100 characters" in capsys.readouterr().err
    assert not (tmp_path / "a").exists()
    with pytest.raises(InputError, match="at most 100 characters"):
        DatasetPlan(
            name=name,
            equation="poisson",
            equation_parameters={},
            coefficient_names=("k11",),
            config={},
            grid=Grid(shape=(8, 8)),
            input_fields=("source",),
            output_fields=("solution",),
            seed=0,
            shard_size=1,
            num_samples={"train": 1},
        )
    study = yaml.safe_load((CONFIGS / "study/demo.yaml").read_text())
    study["models"][name] = {}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    with pytest.raises(InputError, match="at most 100 characters"):
        load_study(tmp_path / "study.yaml")


def test_results_on_many_sets_have_a_file_name_of_their_own():
    names = [f"{'x' * 90}{i}" for i in range(13)]
    assert joined(["a", "b"]) == "a+b"
    assert len(joined(names)) < 240
    assert joined(names) != joined([*names[:-1], "other"])
