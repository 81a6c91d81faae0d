"""One value stands where a list is wanted; several are repeated or written in brackets."""

import numpy as np
import pytest
import yaml

from lightning_sciml import read_dataset
from lightning_sciml.cli.main import main
from lightning_sciml.models.fno import FNO
from lightning_sciml.option_parser import joined_repeats
from lightning_sciml.streaming.datamodule import PDEDataModule

SEVERAL = ["a", "b/c"]


def parsed(words, capsys):
    with pytest.raises(SystemExit) as stop:
        main([*map(str, words), "--print_config"])
    assert stop.value.code == 0
    return yaml.safe_load(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("words", "folders"),
    [
        (["--data.datasets", "a"], "a"),
        (["--data.datasets=a"], "a"),
        (["--data.datasets=[a]"], ["a"]),
        (["--data.datasets=[a,b/c]"], SEVERAL),
        (["--data.datasets", "a", "--data.datasets", "b/c"], SEVERAL),
        (["--data.datasets=a", "--data.datasets=[b/c]"], SEVERAL),
    ],
)
def test_folders_are_given_with_and_without_brackets(config, capsys, words, folders):
    tree = parsed(["fit", "--config", config(), *words], capsys)
    assert tree["data"]["datasets"] == folders


def test_the_last_device_counts(config, capsys):
    words = ["--trainer.devices=4", "--trainer.devices=1"]
    assert parsed(["fit", "--config", config(), *words], capsys)["trainer"]["devices"] in (1, "1")


def test_one_folder_in_yaml_and_its_config_in_the_run(config, tmp_path):
    path = config(max_epochs=1)
    tree = yaml.safe_load(path.read_text())
    tree["data"]["datasets"] = tree["data"]["datasets"][0]
    tree["data"]["weights"] = 1.0
    path.write_text(yaml.safe_dump(tree))
    main(["fit", "--config", str(path)])
    saved = yaml.safe_load((tmp_path / "run/config.yaml").read_text())
    assert saved["data"]["datasets"] == [tree["data"]["datasets"]]
    assert saved["data"]["weights"] == [1.0]


def test_python_takes_one_value_as_well():
    data = PDEDataModule("a", replay="b", weights=2.0)
    assert [str(d) for d in (*data.directories, *data.replay)] == ["a", "b"]
    assert data.weights == [2.0]
    network = FNO(num_channels=2, num_modes=2, coefficient_names="kappa", input_fields="force")
    assert (network.coefficient_names, network.input_fields) == (("kappa",), ("force",))


def test_a_look_at_data_takes_one_value(datasets, capsys):
    words = ["--batch_sizes=8", "--caches=none", "--num_repeats=1"]
    main(["data", "bench", str(datasets["poisson_1_5"]), *words])
    assert "cache=none batch_size=8" in capsys.readouterr().out


@pytest.mark.parametrize("words", ["--train a.npz", "--train=a.npz", "--train [a.npz]"])
def test_an_import_takes_one_file(tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    np.savez("a.npz", f=np.ones((2, 4, 4)), u=np.ones((2, 4, 4)))
    main(["data", "import", "set", *words.split(), "--inputs=f", "--outputs=u"])
    assert len(read_dataset("set", "train")) == 2


def test_only_options_of_lists_are_joined():
    words = ["--a=1", "--b", "2", "--a=3", "--b", "4", "--c=5", "--c=6"]
    wanted = ["--a=1", "--b", "2", "--a+=3", "--b+", "4", "--c=5", "--c=6"]
    assert joined_repeats(words, {"--a", "--b"}) == wanted
