"""The errors of a study as text."""

import numpy as np

from lightning_sciml.study.execution.results import Arm
from lightning_sciml.study.report.curves import Curve
from lightning_sciml.study.report.error_table import aligned, error_tables
from lightning_sciml.study.report.styles import Styles


def error_table(*arguments) -> str:
    return "\n".join(map(aligned, error_tables(*arguments)))


def curve(init: str, pretraining: str, num_samples: tuple[int, ...], *means: float) -> Curve:
    return Curve(
        arm=Arm(init, pretraining, "1M", "paper"),
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


def test_ratios_of_an_unfinished_study_compare_the_same_seeds():
    """Seed 1 is easy: over different seeds, scratch would seem to be better than it is."""

    def arm(init, errors, num_samples=(16,)):
        return Curve(
            arm=Arm(init, "" if init == "scratch" else "p", "1M", "paper"),
            dataset="d",
            num_samples=num_samples,
            replicates=tuple((seed, 0) for seed in errors),
            errors=np.array([[error] for error in errors.values()]),
            num_parameters=1,
        )

    arms = [
        arm("scratch", {0: 0.4, 1: 0.2}),
        arm("fine_tune", {0: 0.2}),
        arm("zero_shot", {0: 0.1}, (0,)),
    ]

    def ratios(origins):
        lines = error_table(arms, Styles(arms), origins).splitlines()
        return {" ".join(line.split()[3:-1]): line.split()[-1] for line in lines if " / " in line}

    assert ratios((0, 1)) == {"fine-tuned": "2.00", "zero-shot": "4.00"}
    assert ratios((0,)) == {"fine-tuned": "2.00", "zero-shot": "3.00"}  # seed 1 starts from it, too
    shown = error_table(arms, Styles(arms), (0, 1))
    assert "from scratch (2 replicates)" in shown
    assert "fine-tuned (1 replicate)" in shown
    nothing = error_table([arms[0], arm("fine_tune", {2: 0.2})], Styles(arms), (0, 1))
    assert nothing.splitlines()[-1].strip() == "from scratch / fine-tuned"
