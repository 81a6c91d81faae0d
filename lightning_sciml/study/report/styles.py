"""Looks and names of arms: the same in every figure and table of a report.

An arm is told by two keys. Colour and marker say the recipe; the pattern of the line and the fill
of the marker say how it starts: from scratch, zero-shot or fine-tuned, and from which pre-training.
Where there is one recipe, colour and marker say the start as well. So no two arms differ in colour
alone, and a copy in grey can be read.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from lightning_sciml.shards.titles import words
from lightning_sciml.study.definition.runs import Init
from lightning_sciml.study.execution.results import Arm
from lightning_sciml.study.report.curves import Curve

COLORS = (
    *("#1d4f91", "#d98a1f", "#2a8f6f", "#7b4fa3", "#5aa2dd", "#8a6d2f", "#c0478a", "#35307a"),
    *("#93aa2f", "#12939a", "#e07f6e", "#5b6770"),
)
MARKERS = "o^DvPX*<>phd"
SCRATCH_COLOR, SCRATCH_MARKER = "#b3423a", "s"
INIT_LABELS = {
    Init.SCRATCH: "from scratch",
    Init.ZERO_SHOT: "zero-shot",
    Init.FINE_TUNE: "fine-tuned",
}
Line = str | tuple[int, tuple[float, ...]]
SCRATCH_LINE: Line = (0, (4, 2))
LINES: dict[str, tuple[Line, ...]] = {  # by the place of the pre-training
    Init.FINE_TUNE: (
        *("-", (0, (5, 1.5, 1, 1.5)), (0, (9, 2))),
        *((0, (5, 1.5, 1, 1.5, 1, 1.5)), (0, (3, 1, 3, 3))),
    ),
    Init.ZERO_SHOT: (
        *((0, (1, 1.3)), (0, (1, 3)), (0, (1, 1, 1, 3.5))),
        *((0, (2, 1, 1, 1)), (0, (1, 1, 1, 1, 1, 4))),
    ),
}
NUM_LINES = len(LINES[Init.FINE_TUNE])
FILLS = {Init.SCRATCH: "bottom", Init.ZERO_SHOT: "none", Init.FINE_TUNE: "full"}


class Start(NamedTuple):
    """How an arm starts: its init, and the place of its pre-training among those it meets."""

    init: str
    place: int


class Styles:
    """Looks and names of the arms of a report.

    Pre-trainings that meet on no test set share a place, and so a look: each panel says which one
    it has.

    Args:
        curves: all curves of the report.
        titles: of data sets and pre-trainings, by name; their names by default.
    """

    def __init__(self, curves: Sequence[Curve], titles: Mapping[str, str] | None = None) -> None:
        self._titles = titles or {}
        self.pretrainings = [p for p in dict.fromkeys(c.arm.pretraining for c in curves) if p]
        self.recipes = list(dict.fromkeys(c.arm.recipe for c in curves))
        self._place_of: dict[str, int] = {}
        for name in self.pretrainings:  # the first place that none has which it meets
            test_sets = {c.dataset for c in curves if c.arm.pretraining == name}
            met = {c.arm.pretraining for c in curves if c.dataset in test_sets}
            taken = {self._place_of[other] for other in met if other in self._place_of}
            self._place_of[name] = min(set(range(len(taken) + 1)) - taken)
        first = [(0, recipe) for recipe in self.recipes]
        self._told = list(dict.fromkeys([*first, *(self._pair(c.arm) for c in curves)]))

    def _pair(self, arm: Arm) -> tuple[int, str]:
        """Return what colours tell where there are several recipes: five pre-trainings share it."""
        return self._place_of.get(arm.pretraining, 0) // NUM_LINES, arm.recipe

    def _number(self, arm: Arm) -> int | None:
        """Number the colour and marker of an arm; None for scratch where there is one recipe."""
        if len(self.recipes) > 1:
            return self._told.index(self._pair(arm))
        return None if arm.init == Init.SCRATCH else self._place_of[arm.pretraining]

    def color(self, arm: Arm) -> str:
        """Choose by recipe where there are several, else by start."""
        number = self._number(arm)
        return SCRATCH_COLOR if number is None else COLORS[number % len(COLORS)]

    def marker(self, arm: Arm) -> str:
        """Choose as the colour."""
        number = self._number(arm)
        return SCRATCH_MARKER if number is None else MARKERS[number % len(MARKERS)]

    def line(self, arm: Arm) -> Line:
        """Choose by start."""
        if arm.init == Init.SCRATCH:
            return SCRATCH_LINE
        return LINES[arm.init][self._place_of[arm.pretraining] % NUM_LINES]

    def look(self, arm: Arm) -> dict[str, Any]:
        """Return options of a line with markers."""
        look = {"color": self.color(arm), "marker": self.marker(arm), "ls": self.line(arm)}
        return {**look, **fill(arm.init)}

    def start(self, arm: Arm) -> Start:
        """Tell how an arm starts."""
        return Start(arm.init, self._place_of.get(arm.pretraining, 0))

    def label(self, arm: Arm) -> str:
        """Name an arm by init, and by pre-training and recipe where there are several."""
        told = INIT_LABELS[Init(arm.init)]
        if arm.pretraining and len(self.pretrainings) > 1:
            told += f" from {self.title(arm.pretraining)}"
        return f"{told}; {words(arm.recipe)}" if len(self.recipes) > 1 else told

    def whole(self, arm: Arm) -> str:
        """Name an arm with its model."""
        return f"{arm.model}, {self.label(arm)}"

    def title(self, name: str) -> str:
        """Name a data set or a pre-training in words."""
        return self._titles.get(name, name)


class PlainNames(Styles):
    """Names as commands and results.csv have them, for tables on a terminal."""

    def label(self, arm: Arm) -> str:
        """Name an arm by init, and by pre-training and recipe where there are several."""
        told = [INIT_LABELS[Init(arm.init)]]
        told += [arm.pretraining] if arm.pretraining and len(self.pretrainings) > 1 else []
        return ", ".join([*told, *([arm.recipe] if len(self.recipes) > 1 else [])])


class Origins:
    """Names of the starts that a figure shows.

    Args:
        styles: of the report.
        arms: all that the figure shows.
    """

    def __init__(self, styles: Styles, arms: Iterable[Arm]) -> None:
        self._styles = styles
        self._of_place: dict[int, dict[str, None]] = {}
        for arm in arms:
            if arm.pretraining:
                place = styles.start(arm).place
                self._of_place.setdefault(place, {})[arm.pretraining] = None
        self._shared = sorted(p for p, names in self._of_place.items() if len(names) > 1)

    def start(self, start: Start) -> str:
        """Name a start; one whose pre-training differs between panels refers to their titles."""
        told, names = INIT_LABELS[Init(start.init)], self._of_place.get(start.place, {})
        if start.init == Init.SCRATCH or len(self._styles.pretrainings) < 2:
            return told
        if start.place not in self._shared:
            return f"{told} from {self._styles.title(next(iter(names)))}"
        return f"{told}{self._mark(start.place)}" if len(self._of_place) > 1 else told

    def of_panel(self, arms: Iterable[Arm]) -> str:
        """Name the pre-trainings of one panel that differ between panels; may be empty."""
        found = {self._styles.start(arm).place: arm.pretraining for arm in arms if arm.pretraining}
        shown = [
            f"{self._styles.title(found[place])}{self._mark(place)}"
            for place in self._shared
            if place in found
        ]
        return f"pre-trained on {', '.join(shown)}" if shown else ""

    def _mark(self, place: int) -> str:
        """Mark what legend and titles share, where several starts need to be told apart."""
        return "*†‡§¶"[self._shared.index(place) % 5] if len(self._of_place) > 1 else ""


def fill(init: str) -> dict[str, Any]:
    """Return options of the marker: full fine-tuned, half from scratch, open zero-shot."""
    options = {"fillstyle": FILLS[Init(init)], "markerfacecoloralt": "white"}
    return options | ({"markerfacecolor": "white"} if init == Init.ZERO_SHOT else {})
