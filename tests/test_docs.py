"""What pages point to exists, and the page on Python runs."""

import re
import shlex
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lightning_sciml.cli.main import main
from lightning_sciml.study.definition.study_file import StudyFile
from lightning_sciml.study.definition.study_parts import Grid, Pretraining, Recipe, Stage

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    page
    for folder in (ROOT, *(ROOT / name for name in (".github", "docs", "tests")))
    for page in (folder.glob("*.md") if folder == ROOT else folder.rglob("*.md"))
)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
NAMED = re.compile(
    r"(?<![\w./-])(?:benchmarks|data_gen|docs|launch|lightning_sciml|slurm|tests)/[\w./-]*\w"
)
MADE_BY_THE_READER = {
    "slurm/site.sh",
    "launch/configs/data/reaction_diffusion_1_10.yaml",
    "launch/configs/data/cahn_hilliard_0p005_0p01.yaml",
    "lightning_sciml/foreign/flow.py",
    "lightning_sciml/models/conv_net.py",
    "tests/models/test_conv_net.py",
}


def test_the_page_on_studies_explains_every_key_of_a_study_file():
    """One table has the keys of each part."""
    section = (ROOT / "docs/reference/study_file.md").read_text()
    tables = re.findall(r"(?m)(?:^\|.*\n)+", section)
    keys = [re.findall(r"`(\w+)`", re.sub(r"(?m)^(\|[^|]*).*", r"\1", table)) for table in tables]
    parts = (StudyFile, Stage, Pretraining, Recipe, Grid)
    wanted = [[field.name for field in fields(part)] for part in parts]
    assert list(map(sorted, keys)) == list(map(sorted, wanted))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_points_to_exists(page):
    text = page.read_text()
    targets = [t for t in LINK.findall(text) if not t.startswith(("http:", "https:", "mailto:"))]
    broken = [t for t in targets if not (page.parent / t).exists()]
    named = {n for n in NAMED.findall(text) if "NAME" not in n}
    missing = sorted(n for n in named - MADE_BY_THE_READER if not (ROOT / n).exists())
    assert (broken, missing) == ([], [])


def test_the_page_on_architecture_has_the_floors_of_the_import_contract_and_names_files():
    page = (ROOT / "docs/concepts/architecture.md").read_text()
    rows = re.findall(r"^\| \d+ \| (.*?) \|", page, re.MULTILINE)
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    layers = tools["importlinter"]["contracts"][0]["layers"]
    assert [set(re.findall(r"`(\w+)`", row)) for row in rows] == [
        set(layer.split(" | ")) for layer in layers
    ]
    named = [n for n in re.findall(r"`([a-z_/]+\.py)`", page) if "/" in n]
    homes = (ROOT, ROOT / "lightning_sciml")
    assert [n for n in named if not any((home / n).exists() for home in homes)] == []


@pytest.fixture(scope="module")
def trained(datasets, tmp_path_factory):
    """A folder as its reader has it: a data set, and a run of the shipped pre-training."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "data").mkdir()
    (folder / "data/poisson_1_5").symlink_to(datasets["poisson_1_5"])
    main(
        [
            *("fit", f"--config={ROOT}/launch/configs/pretrain/poisson.yaml"),
            *(f"--run_dir={folder}/runs/pretrain_poisson", "--trainer.accelerator=cpu"),
            *(f"--data.datasets=[{folder}/data/poisson_1_5]", "--data.batch_size=8"),
            *("--model.network.size=64K", "--trainer.max_epochs=1", "--trainer.logger=false"),
        ]
    )
    return folder


@pytest.mark.filterwarnings("ignore")  # Lightning's advice on a tiny training
def test_every_block_of_the_page_on_python_runs(trained, monkeypatch):
    """All blocks in one session, in order, at a tiny size."""
    monkeypatch.chdir(trained)
    names: dict[str, Any] = {}
    text = (ROOT / "docs/how_to/python.md").read_text()
    tiny = {'"1M"': '"64K"', "max_epochs=10": 'max_epochs=1, accelerator="cpu", logger=False'}
    for before, after in tiny.items():
        assert before in text
        text = text.replace(before, after)
    blocks = re.findall(r"^```(python|bash)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    for language, block in blocks:
        if language == "bash":
            np.savez("mine.npz", source=names["source"], k11=0.02, k22=0.05, k12=0.01)
            main(shlex.split(block)[1:])
        else:
            exec(block.replace("test.to_xarray()", ""), names)
    np.testing.assert_array_equal(np.load("u.npz")["prediction"].shape, (64, 64))
    assert names["coefficients"].grad.abs().min() > 0
    np.testing.assert_array_equal(
        names["operator"].predict(names["source"], k11=0.02, k22=0.05, k12=0.01), names["u"]
    )
