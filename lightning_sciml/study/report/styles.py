"""Colours, lines and names of arms: the same in every figure and table of a report."""

from collections.abc import Mapping, Sequence

from lightning_sciml.shards.titles import words
from lightning_sciml.study.definition.runs import Init
from lightning_sciml.study.execution.results import Arm
from lightning_sciml.study.report.curves import Curve

COLORS = (
    *("#1f5fa8", "#2a8f6f", "#d98a1f", "#7b4fa3", "#5b6770", "#c0478a", "#8a6d2f", "#12939a"),
    *("#9fb63a", "#69aee8", "#e5897a", "#35307a"),
)
SCRATCH_COLOR = "#b3423a"
INIT_LABELS = {
    Init.SCRATCH: "from scratch",
    Init.ZERO_SHOT: "zero-shot",
    Init.FINE_TUNE: "fine-tuned",
}
Line = str | tuple[int, tuple[float, ...]]
LINES: tuple[Line, ...] = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 2, 1, 2)))
DASHES: Line = (0, (4, 3))
DASH_DOTS: tuple[Line, ...] = ((0, (5, 2, 1, 2)), (0, (5, 2, 1, 2, 1, 2)))


class Styles:
    """Styles of the arms of a report.

    Of one recipe: colours by pre-training, red from scratch. Of several: colours by recipe, lines
    by pre-training, dashes from scratch; the third and fourth pre-training that meet on a test set
    have colours of their own.

    Args:
        curves: all curves of the report.
        titles: of data sets and pre-trainings, by name; the words of the name by default.
    """

    def __init__(self, curves: Sequence[Curve], titles: Mapping[str, str] | None = None) -> None:
        self._titles = titles or {}
        self.pretrainings = [p for p in dict.fromkeys(c.arm.pretraining for c in curves) if p]
        self.recipes = list(dict.fromkeys(c.arm.recipe for c in curves))
        self._line_of: dict[str, int] = {}
        for name in self.pretrainings:  # the first line that none has which it meets on a test set
            test_sets = {c.dataset for c in curves if c.arm.pretraining == name}
            met = {c.arm.pretraining for c in curves if c.dataset in test_sets}
            taken = {self._line_of[other] for other in met if other in self._line_of}
            self._line_of[name] = min(set(range(len(taken) + 1)) - taken)
        first = [(0, recipe) for recipe in self.recipes]
        self._colored = list(dict.fromkeys([*first, *(self._pair(c.arm) for c in curves)]))

    def _pair(self, arm: Arm) -> tuple[int, str]:
        """Return what has a colour where there are several recipes; two lines share it."""
        return self._line_of.get(arm.pretraining, 0) // 2, arm.recipe

    def color(self, arm: Arm) -> str:
        """Choose by recipe where there are several; else red from scratch, or by pre-training."""
        if len(self.recipes) > 1:
            return COLORS[self._colored.index(self._pair(arm)) % len(COLORS)]
        if arm.init == Init.SCRATCH:
            return SCRATCH_COLOR
        is_few = len(self.pretrainings) <= len(COLORS)
        number = (
            self.pretrainings.index(arm.pretraining) if is_few else self._line_of[arm.pretraining]
        )
        return COLORS[number % len(COLORS)]

    def line(self, arm: Arm) -> Line:
        """Choose by pre-training where colours tell recipes; dashes from scratch."""
        if len(self.recipes) == 1:
            return LINES[0]
        if arm.init == Init.SCRATCH:
            return LINES[1]
        return LINES[::2][self._line_of[arm.pretraining] % 2]

    def line_in_time(self, arm: Arm) -> Line:
        """Choose as `line` where zero-shot is a curve, too, with dashes or dash-dots of its own."""
        if arm.init != Init.ZERO_SHOT:
            return self.line(arm)
        if len(self.recipes) == 1:
            return DASHES
        return DASH_DOTS[self._line_of[arm.pretraining] % 2]

    def label(self, arm: Arm, *, in_words: bool = False) -> str:
        """Name an arm by init, and by pre-training and recipe where there are several."""
        told = [INIT_LABELS[Init(arm.init)]]
        if arm.pretraining and len(self.pretrainings) > 1:
            told.append(f"from {self.title(arm.pretraining)}" if in_words else arm.pretraining)
        if len(self.recipes) > 1:
            told.append(words(arm.recipe) if in_words else arm.recipe)
        return ("; " if in_words else ", ").join(told)

    def title(self, name: str) -> str:
        """Name a data set or a pre-training in words."""
        return self._titles.get(name, words(name))
