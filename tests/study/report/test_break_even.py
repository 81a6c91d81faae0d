"""After how many solves a network has paid: known costs, never, intervals."""

import math

import numpy as np
import pytest

from lightning_sciml.study.execution.costs import SolverCost
from lightning_sciml.study.report.break_even import Seconds, break_even, cheapest, front


def variant(name, seconds, error, spread=0.0):
    elapsed_s = [seconds - spread, seconds, seconds + spread]
    return SolverCost(line="", name=name, elapsed_s=elapsed_s, error=error)


SOLVER = [
    variant("exact", 8.0, 1e-8),
    variant("fine", 4.0, 1e-3),
    variant("slower", 5.0, 1e-2),
    variant("coarse", 1.0, 1e-1),
    variant("unstable", 0.1, None),
]


@pytest.mark.parametrize(
    ("error", "name"),
    [(1.0, "coarse"), (1e-1, "coarse"), (9e-2, "fine"), (1e-3, "fine"), (1e-4, "exact")],
)
def test_a_network_meets_the_cheapest_solver_that_is_no_worse(error, name):
    assert cheapest(SOLVER, error).name == name
    assert [v.name for v in front(SOLVER)] == ["exact", "fine", "coarse"]


def test_no_solver_is_as_good_so_the_most_accurate_one_is_met():
    assert cheapest(SOLVER, 1e-9).name == "exact"


def test_solves_are_what_was_paid_over_what_a_solve_saves():
    """(10 + 20 + 30) / (4 - 1) = 20 at an error of 0.05, as "fine" is the cheapest there."""
    paid = Seconds.exactly(10.0).plus(Seconds.exactly(5.0).times(4)).plus(Seconds.exactly(30.0))
    found = break_even(paid, Seconds.exactly(1.0), SOLVER, 0.05, np.full(100, 0.05))
    assert found == (20.0, (20.0, 20.0), False)
    assert str(found) == "20"


@pytest.mark.parametrize("network_s", [4.0, 5.0])
def test_a_network_that_costs_no_less_a_solve_never_pays(network_s):
    found = break_even(
        Seconds.exactly(1.0), Seconds.exactly(network_s), SOLVER, 0.05, np.full(9, 0.05)
    )
    assert found.num_solves == math.inf
    assert str(found) == "never"


def test_a_network_that_is_free_has_paid_at_once():
    found = break_even(
        Seconds.exactly(0.0), Seconds.exactly(1.0), SOLVER, 0.05, np.full(9, 0.05), is_least=True
    )
    assert str(found) == "at least 0"


def test_the_interval_has_the_extremes_of_repeats():
    """From 54/(5 - 0.5) to 66/(3 - 1.5)."""
    solver = [variant("only", 4.0, 0.01, spread=1.0)]
    found = break_even(
        Seconds(60.0, 54.0, 66.0), Seconds(1.0, 0.5, 1.5), solver, 0.05, np.full(9, 0.05)
    )
    assert found == (20.0, (12.0, 44.0), False)
    assert str(found) == "20 [12, 44]"


def test_the_interval_ends_at_never_where_repeats_may_cross():
    solver = [variant("only", 4.0, 0.01, spread=1.0)]
    found = break_even(
        Seconds.exactly(60.0), Seconds(1.0, 1.0, 3.0), solver, 0.05, np.full(9, 0.05), is_least=True
    )
    assert str(found) == "at least 20 [15, never]"


def test_the_interval_has_the_errors_of_resampled_replicates():
    """A tenth of the resamples has an error at which "coarse", at 1 s, would do: never."""
    resampled = np.where(np.arange(100) % 10, 0.05, 0.2)
    found = break_even(Seconds.exactly(60.0), Seconds.exactly(1.0), SOLVER, 0.05, resampled)
    assert found == (20.0, (20.0, math.inf), False)
