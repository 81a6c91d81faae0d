"""What Markdown pages point to exists: links, and the files that their text and commands name."""

import re
from pathlib import Path

import pytest

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
    "lightning_sciml/models/conv_net.py",
    "tests/models/test_conv_net.py",
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_points_to_exists(page):
    text = page.read_text()
    targets = [t for t in LINK.findall(text) if not t.startswith(("http:", "https:", "mailto:"))]
    broken = [t for t in targets if not (page.parent / t).exists()]
    named = {n for n in NAMED.findall(text) if "NAME" not in n}
    missing = sorted(n for n in named - MADE_BY_THE_READER if not (ROOT / n).exists())
    assert (broken, missing) == ([], [])
