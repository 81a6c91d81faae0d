"""The operators that come with the package meet their cards."""

import shutil

import pytest
import yaml

from lightning_sciml.checkpoints.files import read_checkpoint
from lightning_sciml.cli.main import main
from lightning_sciml.hub import FILES
from lightning_sciml.released_operators import FOLDER, released_operators
from lightning_sciml.releases.card import Card, split_card
from lightning_sciml.releases.card_text import card_text
from lightning_sciml.shipped_configs import shipped_configs

RELEASED = released_operators()
QUICK = "steady-mixture-640K"


def test_one_of_them_meets_its_number_on_a_set_that_is_made_again(capsys):
    main(["test", QUICK, "--sets", "poisson_1_5"])
    told = capsys.readouterr().out
    assert told.splitlines()[-1] == f"{QUICK} meets its card"
    assert Card.load(RELEASED[QUICK]).results[0].metrics[0].value < 0.01


@pytest.mark.slow
@pytest.mark.parametrize("name", RELEASED)
def test_each_meets_every_number_of_its_card(name, capsys):
    main(["test", name])
    assert capsys.readouterr().out.splitlines()[-1] == f"{name} meets its card"


def test_all_are_small_and_of_shipped_configs():
    files = [path for folder in RELEASED.values() for path in folder.iterdir()]
    assert {path.name for path in files} == {*FILES}
    assert sum(path.stat().st_size for path in files) <= 15e6
    for name, folder in RELEASED.items():
        config = yaml.safe_load(shipped_configs()[f"release/{name}"].read_text())
        trained = [path.rpartition("/")[2] for path in config["data"]["datasets"]]
        card = Card.load(folder)
        assert card.name == name
        assert [result.dataset.type for result in card.results][: len(trained)] == trained


@pytest.mark.parametrize("name", RELEASED)
def test_the_text_of_each_card_says_what_its_head_says(name):
    folder = RELEASED[name]
    text = card_text(Card.load(folder), read_checkpoint(folder))
    assert split_card(folder / "README.md")[1] == text


@pytest.mark.parametrize("name", RELEASED)
def test_each_is_loaded_whole_where_the_hub_would_put_it(name, tmp_path):
    """A folder holds all that is needed."""
    copy = tmp_path / "elsewhere"
    shutil.copytree(FOLDER / name, copy)
    main(["inspect", str(copy)])
