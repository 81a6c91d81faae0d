"""A study file: the runs it describes, and the lines that say what is wrong in it."""

import subprocess
import sys

import pytest
import yaml
from small_study import grid, rejection

from lightning_sciml.errors import InputError
from lightning_sciml.study.definition.reading import load_study
from lightning_sciml.study.definition.runs import Init


def test_every_run_stands_once_and_pre_trainings_stand_first(study_file):
    study = load_study(study_file(**grid()))
    runs = study.runs()
    assert len({run.name for run in runs}) == len(runs) == 1 + 1 + 2 * 2 * 2 * 2 * 3
    assert runs[0].init == Init.PRETRAIN
    assert [r.init for r in runs[1:]].count(Init.ZERO_SHOT) == 1


def test_a_study_declares_only_the_stages_that_its_runs_have(study_file):
    """A study of runs from scratch has no pre-training, a zero-shot one no downstream section."""
    path = study_file(**grid(inits=["scratch"], pretrainings=[]))
    tree = yaml.safe_load(path.read_text())
    del tree["pretrain"], tree["pretrainings"]
    path.write_text(yaml.safe_dump(tree))
    study = load_study(path)
    assert {run.init for run in study.runs()} == {Init.SCRATCH}
    assert study.dataset_names == ["poisson_5_10"]
    path = study_file(**grid(inits=["zero_shot"]))
    tree = yaml.safe_load(path.read_text())
    del tree["downstream"]
    path.write_text(yaml.safe_dump(tree))
    assert [run.init for run in load_study(path).runs()] == [Init.PRETRAIN, Init.ZERO_SHOT]
    del tree["pretrain"]
    path.write_text(yaml.safe_dump(tree))
    with pytest.raises(InputError, match="pretrain: epochs or min_steps must be at least 1"):
        load_study(path)


def test_no_torch_to_tell_the_status(study_file):
    code = (
        "import sys; from lightning_sciml.cli.main import main; "
        f"main(['study', 'status', {str(study_file())!r}]); assert 'torch' not in sys.modules"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "4 waiting" in result.stdout


def pretraining(**changes):
    return {"pretrainings": {"poisson": {"datasets": ["poisson_1_5"], **changes}}}


def stage(name, **data):
    return {name: {"min_steps": 4, "data": data}}


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"output_dir": "x"}, "unknown key output_dir"),
        (grid(inits=["finetune"]), "init must be one of"),
        (grid(pretrainings=["mixture"]), "unknown name mixture in pretrainings"),
        (grid(learning_rates=[]), "needs learning_rates, got none"),
        ({**grid(), "selection": "last"}, "one learning rate is wanted"),
        ({"pretrain": {"epochs": 1, "trainer": {"max_steps": 3}}}, "trainer.max_steps follows"),
        ({"recipes": {"paper": {"trainer": {"max_epochs": 3}}}}, "trainer.max_epochs follows"),
        (
            {"recipes": {"paper": {"replay_share": 1.0}}},
            "replay_share must be at least 0 and below",
        ),
        ({"pretrain": {}}, "epochs or min_steps must be at least 1"),
        (grid(learning_rates=["1e-3"]), "takes 1e-3 for text), got ['1e-3']; write 1.0e-3\n"),
        (grid(num_samples=[16.5]), "num_samples must be a list, each of it a whole number"),
        (grid(seeds=3), "seeds must be a list, got 3"),
        ({"pretrain": {"epochs": 1, "seeds": []}}, "pretrain: seeds must hold at least one number"),
        ({"grids": []}, "grids must hold at least one grid"),
        ({"models": {"tiny": None}}, "models.tiny: a mapping is wanted"),
        ({"selection": "best"}, "selection must be one of full_val, budgeted, last, got 'best'"),
        ({"generate": {"all": 3}}, "generate must be a mapping, each of it a mapping"),
        ({"models": {64: {"num_channels": 4}}}, "models must be a mapping by names (numbers in qu"),
        ({"models": {"tiny": {"size": [1]}}}, "models.tiny: size must be one of 64K"),
        ({"models": {}}, "models must name at least one, got none"),
        ({"output": None}, "output must be the name of a folder, got None"),
        (grid(datasets=[]), "grids[0]: datasets must name at least one, got none"),
        (grid(seeds=[-1]), "grids[0]: seeds must be at least 0, got -1"),
        (grid(subset_draws=[]), "grids[0]: subset_draws must hold at least one number, got none"),
        (grid(learning_rates=[float("nan")]), "a learning rate must be positive, got nan"),
        (pretraining(weights=[0.0]), "pretrainings.poisson: weights must be positive"),
        (pretraining(datasets=["poisson_1_5"] * 2), "datasets must name each once"),
        (pretraining(min_steps=0), "pretrainings.poisson: min_steps must be at least 1, got 0"),
        (pretraining(shuffled=True, checkpoint="x"), "the checkpoint has had its own; leave out"),
        (stage("pretrain", shuffle_pairs="outputs"), "data.shuffle_pairs follows from pretraining"),
        (stage("pretrain", batch_size=0), "pretrain: data.batch_size must be a whole number, at l"),
        (stage("pretrain", samples_per_epoch=-5), "data.samples_per_epoch must be a whole number"),
        (stage("pretrain", num_train_samples="x"), "data.num_train_samples must be a whole numbe"),
        (
            stage("downstream", history="two"),
            "data.history must be a whole number, at least 1, got",
        ),
        (stage("pretrain", window_starts="some"), "data.window_starts must be a whole number"),
        (stage("pretrain", weights=[1]), "data.weights follows from pretrainings, recipes and"),
        (stage("downstream", samples_per_epoch=9), "data.samples_per_epoch follows from the grids"),
    ],
)
def test_invalid_studies_are_rejected(study_file, capsys, changes, fault):
    assert fault in rejection("plan", study_file(**changes), capsys)


def test_faults_of_the_file_and_of_its_data_come_at_once(study_file, capsys):
    path = study_file(
        **grid(num_samples=[100_000], inits=["scratch"]), models={"tiny": {"size": "3M"}}, titel="x"
    )
    message = rejection("plan", path, capsys)
    for fault in (
        "3 faults",
        "unknown key titel",
        "size must be one of",
        "train samples, the study",
    ):
        assert fault in message


def test_a_value_with_a_fault_hides_no_other_and_makes_none(study_file, capsys):
    """What is left out for its fault is not said to be missing; data sets are named in any case."""
    path = study_file(
        **grid(datasets=["ad_dwn"], learning_rates=["1e-3", "3e2"], num_samples="many"),
        **pretraining(datasets="poisson_1_5"),
        downstream={"epochs": "2"},
        search="halvin",
        rungs=[1],
    )
    message = rejection("plan", path, capsys)
    for fault in (
        "learning_rates must be a list, each of it a number (1.0e-3; YAML takes 1e-3 for text), "
        "got ['1e-3', '3e2']; write 1.0e-3, 3.0e+2\n",
        "num_samples must be a list, got 'many'",
        "pretrainings.poisson: datasets must be a list, got 'poisson_1_5'",
        "epochs must be a whole number, got '2'",
        "search must be one of all, halving, got 'halvin'",
        "ad_dwn does not exist; make it with: mpirun -n 2 sciml generate data/ad_dwn",
    ):
        assert fault in message
    assert "cannot start, 6 faults" in message
    tree = yaml.safe_load(path.read_text())
    del tree["models"], tree["grids"][0]["seeds"], tree["grids"][0]["datasets"]
    tree["grids"].append({"datasets": ["far"], "inits": ["scratch"]})
    path.write_text(yaml.safe_dump(tree))
    message = rejection("plan", path, capsys)
    assert "models is missing" in message
    assert "far does not exist" in message


def test_grids_are_numbered_as_they_stand(study_file, capsys):
    tree = grid(inits=["scratched"])
    tree["grids"].insert(0, {"inits": []})
    message = rejection("plan", study_file(**tree), capsys)
    assert "grids[0]: datasets is missing" in message
    assert "grids[1]: init must be one of" in message


def test_a_fault_of_a_grid_is_said_where_its_data_sets_are_asked_for(study_file, capsys):
    path = study_file(**grid(inits=["scratched"]))
    message = rejection("plan", path, capsys, "--datasets=poisson_5_10")
    assert "init must be one of" in message


def test_all_faults_are_listed_and_nothing_is_started(study_file, tmp_path, capsys):
    path = study_file(**grid(datasets=["poisson_5_10", "nowhere"], num_samples=[8, 999]))
    tree = yaml.safe_load(path.read_text())
    tree["models"]["huge"] = {"size": "9000G"}
    path.write_text(yaml.safe_dump(tree))
    message = rejection("run", path, capsys)
    for fault in ("nowhere does not exist", "has 40 train samples", "wants 999", "got 9000G"):
        assert fault in message
    assert "cannot start, 3 faults" in message
    assert not (tmp_path / "study").exists()
