"""A released operator meets its own numbers, on test sets that are made again from its card."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from command_line import rejection
from tiny_run import fit, network, write_run

from lightning_sciml import load_operator, read_dataset
from lightning_sciml.checkpoints.files import read_checkpoint, weights_checksum
from lightning_sciml.cli.main import main
from lightning_sciml.releases.card import Card


@pytest.fixture(scope="module")
def run(datasets, tmp_path_factory) -> Path:
    """The folder of a run of ten steps on Poisson's equation."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    model = {"normalization": "dimensionless", "loss": "relative_l2"}
    return fit(write_run(folder, [datasets["poisson_1_5"]], model=model, trainer={"max_epochs": 2}))


@pytest.fixture(scope="module")
def tiny(run, datasets, tmp_path_factory) -> Path:
    """The folder of the run's operator with its card, tested on a further set as well."""
    folder = tmp_path_factory.mktemp("operators") / "tiny-poisson"
    words = ["models", "release", str(run), str(folder), "--summary", "Solve Poisson's equation."]
    main([*words, "--outside", f"[{datasets['poisson_5_10']}]"])
    return folder


@pytest.fixture
def released(tiny, tmp_path, monkeypatch) -> Path:
    """A copy of the operator that is released by its name."""
    shutil.copytree(tiny, tmp_path / "releases/tiny-poisson")
    monkeypatch.setattr("lightning_sciml.released_operators.FOLDER", tmp_path / "releases")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "releases/tiny-poisson"


def edited(folder: Path, change) -> None:
    """Change the head of a card."""
    path = folder / "README.md"
    _, head, body = path.read_text().split("---\n", 2)
    tree = yaml.safe_load(head)
    change(tree)
    path.write_text(f"---\n{yaml.safe_dump(tree)}---\n{body}")


def test_a_card_says_what_an_operator_was_trained_on_and_reaches(tiny, run, datasets, tmp_path):
    assert {path.name for path in tiny.iterdir()} == {
        "config.json",
        "model.safetensors",
        "README.md",
    }
    card = Card.load(tiny)
    inside, outside = card.results
    assert (inside.dataset.type, inside.dataset.name) == ("poisson_1_5", "Poisson, λ ∈ (1, 5)")
    assert outside.dataset.args["coefficients"]["init_args"]["eigenvalue"] == [5, 10]
    assert inside.dataset.args["seed"] == 0
    assert card.training.num_threads == torch.get_num_threads()
    main(["test", "--config", f"{run}/config.yaml", "--run_dir", str(run)])
    of_run = json.loads((run / "test/poisson_1_5.json").read_text())["relative_l2"]["mean"]
    assert inside.metrics[0].value == pytest.approx(of_run, rel=1e-6)
    (trained,) = read_checkpoint(tiny).provenance["datasets"]
    text = (tiny / "README.md").read_text()
    assert trained["checksum"] in text
    assert "10 steps of 8 samples" in text


def test_test_meets_the_card_and_misses_another_number_in_one_line(released, capsys, datasets):
    main(["test", "tiny-poisson", "--sets", "poisson_1_5", "--output", "kept"])
    told = capsys.readouterr().out
    value = Card.load(released).results[0].metrics[0].value
    assert f"poisson_1_5 relative_l2: {value:.6g}, wanted {value:.6g}, same table" in told
    assert sorted(p.name for p in Path("kept/data/poisson_1_5").glob("*/*.h5")) == ["00000.h5"]
    made, whole = (
        read_dataset(path, "test")[:]["solution"]
        for path in ("kept/data/poisson_1_5", datasets["poisson_1_5"])
    )
    np.testing.assert_array_equal(made, whole)

    def lower(tree):
        metric = tree["model-index"][0]["results"][1]["metrics"][0]
        metric["value"] /= 1.002

    edited(released, lower)
    words = [
        "test",
        "tiny-poisson",
        "--datasets",
        f"[{datasets['poisson_1_5']}, {datasets['poisson_5_10']}]",
    ]
    line = rejection(words, capsys, exit_code=1)
    assert re.search(r"relative_l2 on poisson_5_10 is \S+, wanted \S+; compare", line)
    assert "poisson_1_5 is" not in line
    assert "has no data set heat; it has poisson_1_5" in rejection(
        ["test", "tiny-poisson", "--sets", "heat"], capsys
    )


def test_sets_that_a_card_lacks_are_measured_and_its_own_compared(
    released, generate, datasets, run, capsys
):
    """Show errors of one's own sets; a set of other samples under a name of the card is one."""
    sizes = {"num_train_samples": 0, "num_val_samples": 0, "num_test_samples": 3}
    generate("poisson_10_20", Path("mine"), **sizes)
    generate("poisson_1_5", Path("other"), seed=1, **sizes)
    words = ["test", "tiny-poisson", "--datasets", f"[mine, {datasets['poisson_5_10']}]"]
    main([*words, "--output", "kept"])
    told = capsys.readouterr().out
    error = json.loads(Path("kept/test/poisson_10_20.json").read_text())["relative_l2"]["mean"]
    assert f"poisson_10_20 relative_l2: {error:.6g}, mean relative L² error of 3 samples\n" in told
    assert re.search(r"poisson_5_10 relative_l2: \S+, wanted", told)
    assert "poisson_1_5" not in told
    main(["test", "tiny-poisson", "--datasets", "other"])
    told = capsys.readouterr().out
    assert "poisson_1_5: its test split is not the one of the card, so nothing is compared" in told
    assert "meets its card" not in told
    words = ["test", "tiny-poisson", "--sets", "poisson_1_5", "--datasets", "other"]
    assert "leave it out of --datasets" in rejection(words, capsys)
    words = ["test", "tiny-poisson", "--datasets", "[mine, mine]"]
    assert "hold data sets of one name, poisson_10_20" in rejection(words, capsys)
    other = ["--ckpt_path", "tiny-poisson", "--model.normalization", "paper"]
    line = rejection(["test", "--config", run / "config.yaml", *other], capsys)
    assert f"`sciml test tiny-poisson --datasets '[{datasets['poisson_1_5']}]'` tests a rel" in line


def test_a_name_stands_for_a_checkpoint_everywhere(released, capsys, config):
    source = np.random.default_rng(0).standard_normal((32, 32), dtype=np.float32)
    source -= source.mean()
    numbers = {"k11": 0.02, "k22": 0.03, "k12": 0.0}
    u = load_operator("tiny-poisson").predict(source, **numbers)
    np.testing.assert_array_equal(u, load_operator(released).predict(source, **numbers))
    np.savez("mine.npz", source=source, **numbers)
    main(["predict", "--ckpt_path", "tiny-poisson", "--input", "mine.npz", "--output", "u.npz"])
    np.testing.assert_array_equal(np.load("u.npz")["prediction"], u)
    main(["inspect", "tiny-poisson"])
    assert "normalization: dimensionless" in capsys.readouterr().out
    main(["models", "list"])
    assert capsys.readouterr().out == "tiny-poisson  Solve Poisson's equation.\n"
    main(["models", "show", "tiny-poisson"])
    assert capsys.readouterr().out.startswith("# tiny-poisson\n\nSolve Poisson's equation.\n")
    path = config("evaluated", model_options={"normalization": "dimensionless"})
    main(["test", "--config", str(path), "--ckpt_path", "tiny-poisson"])
    assert "did you mean tiny-poisson?" in rejection(["inspect", "tiny-poison"], capsys)


def test_arrays_of_ones_own_fine_tune_a_release_in_two_lines(released, datasets):
    samples = read_dataset(datasets["poisson_5_10"], "train")[:24]
    np.savez("pairs.npz", **{name: np.asarray(values) for name, values in samples.items()})
    names = ["--inputs", "source", "--outputs", "solution", "--coefficients", "[k11, k22, k12]"]
    cut = ["--num_val", "4", "--num_test", "4", "--equation", "poisson"]
    main(["data", "import", "mine", "--train", "pairs.npz", *names, *cut])
    words = ["fit", "--config", "finetune/from_release", "--model.checkpoint", "tiny-poisson"]
    words += ["--data.datasets", "[mine]", "--trainer.max_epochs", "2", "--trainer.logger", "false"]
    main([*words, "--trainer.accelerator", "cpu", "--trainer.devices", "1"])
    start = read_checkpoint("tiny-poisson")
    found = read_checkpoint("runs/finetune_from_release/checkpoints/best.ckpt")
    assert found.provenance["pretrained"] == weights_checksum(start.weights)
    assert found.operator.normalization == "dimensionless"
    moved = [not torch.equal(found.weights[name], w) for name, w in start.weights.items()]
    assert any(moved)
    main(["test", "--config", "runs/finetune_from_release/config.yaml"])


@pytest.mark.parametrize("class_path", ["os.system", "mine.Coefficients"])
def test_a_card_imports_no_class_of_others(released, capsys, class_path):
    def change(tree):
        options = tree["model-index"][0]["results"][0]["dataset"]["args"]
        options["coefficients"]["class_path"] = class_path

    edited(released, change)
    assert f"got '{class_path}'" in rejection(["test", "tiny-poisson"], capsys)


def test_trajectories_are_made_again_with_their_steps_and_windows(generate, tmp_path, capsys):
    sizes = {"num_points": 16, "num_train_samples": 2, "num_val_samples": 1, "num_test_samples": 2}
    options = {"initial_state.num_modes": 4, "max_spectral_tail": 1, "times.num": 5}
    generate("heat_1_5", tmp_path / "heat", shard_size=1, **sizes, **options)
    names = {"coefficient_names": ["k11", "k22", "k12"], "output_fields": ["u"]}
    options = {**network(**names, input_fields=["u@-1", "u"])}
    config = write_run(
        tmp_path / "run",
        [tmp_path / "heat"],
        model={"network": options, "normalization": "standard", "predicts": "increment"},
        data={"history": 2, "stride": 2},
        trainer={"max_epochs": 1},
    )
    words = ["models", "release", str(fit(config)), str(tmp_path / "flow")]
    main([*words, "--summary", "Step the heat equation."])
    (result,) = Card.load(tmp_path / "flow").results
    errors = {metric.type: metric for metric in result.metrics}
    assert errors["relative_l2"].name.endswith("of 2 windows of one step")  # states 0, 2 ↦ 4
    assert errors["rollout_relative_l2"].value == pytest.approx(errors["relative_l2"].value)
    capsys.readouterr()
    main(["test", str(tmp_path / "flow")])
    told = capsys.readouterr().out.splitlines()
    assert len([line for line in told if line.endswith(", same table")]) == 4
