"""The errors of a study as text."""

import numpy as np

from lightning_sciml.study.curves import Curve
from lightning_sciml.study.error_table import error_table
from lightning_sciml.study.plotting import Styles


def curve(init: str, pretraining: str, num_samples: tuple[int, ...], *means: float) -> Curve:
    return Curve(
        arm=(init, pretraining, "1M", "paper"),
        dataset="poisson_5_10",
        num_samples=num_samples,
        replicates=((0, 0),),
        errors=np.array([means]),
        num_parameters=1,
    )


def test_ratios_are_those_of_the_errors_shown():
    arms = [
        curve("zero_shot", "poisson_1_5", (0,), 0.2),
        curve("fine_tune", "poisson_1_5", (16, 64), 0.1, 0.05),
        curve("scratch", "", (16,), 0.4),
    ]
    lines = [line.split("  ") for line in error_table(arms, Styles(arms)).splitlines()]
    table = {words[0]: [w.strip() for w in words[1:] if w.strip()] for words in lines}
    assert table == {
        "relative L² error on poisson_5_10, 1M": ["n = 16", "n = 64"],
        "zero-shot": ["0.2000", "0.2000"],
        "fine-tuned": ["0.1000", "0.0500"],
        "from scratch": ["0.4000"],
        "from scratch / zero-shot": ["2.00"],
        "from scratch / fine-tuned": ["4.00"],
    }
