"""What pages point to exists, and what they list is complete; test_pages.py runs their blocks."""

import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

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
