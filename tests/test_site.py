"""What the site makes of pages, options and docstrings, and which links it rejects."""

import pytest
from accessible import repaired
from commands import parser_of, parted, subparsers, without_classes
from docstrings import escaped
from links import faults
from pages import navigation, relinked
from sphinx.cmd.build import build_main

CONF = """
import sys
sys.path.insert(0, {site!r})
extensions = ["myst_parser", "pages", "links"]
myst_heading_anchors = 3
"""


BY_SPHINX = pytest.mark.filterwarnings("ignore:.*is deprecated. Check CHANGES for Sphinx")


def built(folder, site, **pages):
    """Build a site of these pages and return the exit status of sphinx-build."""
    (folder / "docs").mkdir()
    (folder / "docs/conf.py").write_text(CONF.format(site=str(site)))
    for name, text in pages.items():
        (folder / f"docs/{name}.md").write_text(text)
    return build_main(["-q", "-W", str(folder / "docs"), str(folder / "out")])


@pytest.fixture
def site(request):
    return request.config.rootpath / "docs/site"


INDEX = "# All\n\n## Pages\n\n| a |\n|---|\n| [one](one.md) |\n"


@BY_SPHINX
def test_links_of_an_index_page_are_the_navigation(tmp_path, site):
    (tmp_path / "run.sh").write_text("true\n")
    one = "# One\n\nSee [all](index.md#pages), [here](#one) and [a script](../run.sh).\n"
    assert built(tmp_path, site, index=INDEX, one=one) == 0
    page = (tmp_path / "out/index.html").read_text()
    assert page.count('href="one.html"') > 1
    (script,) = (tmp_path / "out/_downloads").rglob("run.sh")
    assert script.read_text() == "true\n"


@BY_SPHINX
def test_links_that_lead_nowhere_fail_the_build(tmp_path, site, capfd):
    links = ("index.md#first", "second.md", "../third.sh", "#fourth", "figures/fifth.png")
    text = "# One\n\n" + "\n".join(f"[x]({link})" for link in links)
    assert built(tmp_path, site, index=INDEX, one=text) == 1
    printed = capfd.readouterr().err
    missing = ("first", "second", "third", "fourth", "fifth")
    assert [name for name in missing if name not in printed] == []


def test_the_finished_pages_are_checked_as_well(tmp_path):
    (tmp_path / "a.html").write_text('<p id="here"><a href="b.html#there">b</a><img src="c.png">')
    (tmp_path / "b.html").write_text('<a href="a.html#here">a</a> <a href="https://x.org/#y">x</a>')
    assert faults(tmp_path) == [
        "a.html: b.html#there leads nowhere",
        "a.html: c.png leads nowhere",
    ]


def test_a_page_of_the_root_has_its_place_in_the_site():
    text = "[a](CONTRIBUTING.md#test) [b](docs/how_to/x.md) [c](https://x.org) [d](#e)"
    assert relinked(text, "README.md", "contributing") == (
        "[a](contributing.md#test) [b](how_to/x.md) [c](https://x.org) [d](#e)"
    )
    text = "[a](../../CONTRIBUTING.md#test) [b](../../slurm/x.sh)"
    assert relinked(text, "docs/how_to/x.md", "how_to/x") == (
        "[a](../contributing.md#test) [b](../../slurm/x.sh)"
    )


def test_each_heading_of_an_index_page_is_a_table_of_contents():
    before, a = "- [z](z.md)\n\nSee [y](y.md).", "| [a](a/b.md) [a](a/b.md#c) | [up](../up.md) |"
    text = f"{before}\n## A\n{a}\n## B\ntext\n## C\n1. [c](c.md)\n"
    tables = [part.split()[1:] for part in navigation(text).split("```{toctree}")[1:]]
    assert tables == [
        ["z", "```"],
        [":caption:", "A", "a/b", "```"],
        [":caption:", "C", "c", "```"],
    ]


def test_options_are_those_of_the_commands_own_parser():
    names = {
        word
        for a in parser_of(["generate", "data/darcy_2_8"])._actions
        for word in a.option_strings
    }
    assert {"--output", "--diffusivity", "--max_residual"} <= names
    assert {"describe", "import", "export"} <= set(subparsers(parser_of(["data"])))


def test_a_help_text_is_divided_into_meaning_classes_and_type():
    text = "the system. (required, type: <class 'C'>, known subclasses: torch.A, data_gen.c.P)"
    text, classes = without_classes(text)
    assert classes == ["data_gen.c.P"]
    assert parted(text) == ("the system.", "required, type: C")


def test_signs_of_mathematics_are_no_markup():
    assert escaped("|û| * `a_*` of mask_ in u_t") == r"\|û\| \* `a_*` of mask\_ in u_t"


def test_a_page_is_repaired_once():
    html = """<aside class="toc-drawer no-toc"><p class="caption" role="heading">A</p>
<div class="table-wrapper container"><table><tr><th class="head"><p></p></th></tr></table></div>
<pre><span></span>sciml fit --config a<span class="w"> </span>--run_dir b</pre>
<code><span class="pre">--boundary</span> <span class="pre">x-y</span></code>
<pre class="literal-block">x -- y</pre><div id="search-results"></div>"""
    once = repaired(html)
    assert repaired(once) == once
    assert once.count('tabindex="0"') == 3
    assert once.count("aria-l") == 2
    for word in ("--config", "--run_dir", "--boundary"):  # are not broken behind their hyphens
        assert f'option">{word}</span>' in once
    assert once.count("option") == 3
