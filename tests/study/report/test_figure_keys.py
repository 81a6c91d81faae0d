"""Keys of figures: arms that differ in more than colour, short legends, labels that do not meet."""

from html.parser import HTMLParser
from itertools import combinations, pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.text import Text

from lightning_sciml.study.execution.results import Arm
from lightning_sciml.study.report.alternative_text import alternative_text
from lightning_sciml.study.report.curves import Curve
from lightning_sciml.study.report.page import Page
from lightning_sciml.study.report.plotting import error_by_samples
from lightning_sciml.study.report.size_figure import error_by_size
from lightning_sciml.study.report.styles import Styles


def curve(arm: Arm, dataset: str, errors, num_samples=(4, 16)) -> Curve:
    return Curve(
        arm=arm,
        dataset=dataset,
        num_samples=num_samples if arm.init != "zero_shot" else (0,),
        replicates=((0, 0),),
        errors=np.array([errors[: 1 if arm.init == "zero_shot" else None]], float),
        num_parameters=1000,
    )


def three_arms(*levels: float) -> list[Curve]:
    """From scratch, zero-shot, fine-tuned, ending at these errors."""
    arms = [Arm("scratch", "", "1M", "r"), Arm("zero_shot", "p", "1M", "r")]
    arms.append(Arm("fine_tune", "p", "1M", "r"))
    return [curve(arm, "d", [level, level]) for arm, level in zip(arms, levels, strict=True)]


def many_arms() -> list[Curve]:
    """Three test sets, each with its own pre-training and a mixture, by four recipes: 60 arms."""
    found = []
    for number in range(3):
        starts = [("scratch", "")]
        starts += [(i, p) for p in (f"p{number}", "all") for i in ("zero_shot", "fine_tune")]
        arms = [Arm(*start, "1M", f"r{recipe}") for recipe in range(4) for start in starts]
        found += [curve(arm, f"d{number}", [0.5, 0.1 + 0.01 * n]) for n, arm in enumerate(arms)]
    return found


@pytest.mark.parametrize(("num_recipes", "num_pretrainings"), [(1, 1), (2, 2), (12, 1), (3, 5)])
def test_no_two_arms_differ_in_colour_alone(num_recipes, num_pretrainings):
    """In a copy in grey, marker, fill or line still tell them apart."""
    starts = [("scratch", "")]
    starts += [(i, f"p{n}") for n in range(num_pretrainings) for i in ("zero_shot", "fine_tune")]
    arms = [Arm(*start, "1M", f"r{n}") for n in range(num_recipes) for start in starts]
    styles = Styles([SimpleNamespace(arm=arm, dataset="d") for arm in arms])
    looks = [{k: str(v) for k, v in styles.look(arm).items() if k != "color"} for arm in arms]
    assert all(one != other for one, other in combinations(looks, 2))


def test_a_legend_names_recipes_and_starts_instead_of_all_arms():
    own = many_arms()
    figure = error_by_samples(own, {}, Styles(own))
    [legend] = figure.legends
    texts = [text.get_text() for text in legend.get_texts() if text.get_text()]
    starts = ["from scratch", "zero-shot*", "fine-tuned*", "zero-shot from all"]
    assert texts == ["Recipe", "r0", "r1", "r2", "r3", "Start", *starts, "fine-tuned from all"]
    assert [axes.get_title().split("\n")[-1] for axes in figure.axes] == [
        f"pre-trained on p{number}*" for number in range(3)
    ]


def test_lines_that_end_apart_are_labelled_where_they_end():
    own = three_arms(0.5, 0.2, 0.1)
    figure = error_by_samples(own, {}, Styles(own))
    figure.draw_without_rendering()
    assert not figure.legends
    boxes = {text.get_text(): text.get_window_extent() for text in figure.axes[0].texts}
    assert set(boxes) == {"from scratch", "zero-shot", "fine-tuned"}
    ordered = sorted(boxes.values(), key=lambda box: box.y0)
    assert all(low.y1 <= high.y0 for low, high in pairwise(ordered))
    assert all(box.x1 <= figure.bbox.x1 for box in boxes.values())


def test_lines_that_end_together_have_a_legend():
    own = three_arms(0.5, 0.2, 0.2)
    figure = error_by_samples(own, {}, Styles(own))
    assert not figure.axes[0].texts
    assert len(figure.legends[0].get_texts()) == 3


@pytest.mark.parametrize("draw", [lambda o, s: error_by_samples(o, {}, s), error_by_size])
def test_figures_can_be_read_at_the_width_of_a_page(draw):
    own = many_arms()
    figure = draw(own, Styles(own))
    figure.draw_without_rendering()
    shown = [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]
    assert figure.get_figwidth() <= 5.5
    assert min(text.get_fontsize() for text in shown) >= 7
    titles = [axes.title.get_window_extent() for axes in figure.axes]
    assert all(left.x1 < right.x0 for left, right in pairwise(titles))


def test_a_figure_is_described_by_its_axes_and_curves():
    own = three_arms(0.5, 0.2, 0.1)
    text = alternative_text(error_by_samples(own, {}, Styles(own, {"d": "Poisson, λ ∈ (5, 10)"})))
    assert text == (
        "relative L² error against downstream samples, both logarithmic. panels: "
        "Poisson, λ ∈ (5, 10); 1M. curves: from scratch; zero-shot; fine-tuned"
    )


class Tags(HTMLParser):
    """All tags of a page with their attributes, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def test_a_page_is_accessible(tmp_path):
    """The rules that axe-core checks, as far as they concern what a page is made of."""
    own, page = three_arms(0.5, 0.2, 0.1), Page(tmp_path, ["pdf"])
    page.heading("Errors")
    page.figure("error_by_samples", error_by_samples(own, {}, Styles(own)))
    for name in ("a", "b"):
        page.table([name, "error"], [["x", 0.1]])
    tags = Tags(page.write("A study").read_text()).found
    names = [tag for tag, _ in tags]
    assert dict(tags)["html"]["lang"] == "en"
    assert names.count("title") == names.count("main") == names.count("h1") == 1
    assert [name for name in names if name in ("h1", "h2", "h3")] == ["h1", "h2"]
    assert all(attributes["alt"] for tag, attributes in tags if tag == "img")
    assert all(attributes["scope"] == "col" for tag, attributes in tags if tag == "th")
    groups = [attributes for _, attributes in tags if "role" in attributes]
    assert all(group["tabindex"] == "0" for group in groups)  # to be scrolled with the keyboard
    assert len({group["aria-label"] for group in groups}) == len(groups) == 3
    assert [path.name for path in tmp_path.glob("error_*")] == ["error_by_samples.pdf"]
