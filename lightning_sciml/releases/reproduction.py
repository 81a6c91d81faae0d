"""Meet the numbers of a card again: generate its test splits, predict, compare."""

from collections.abc import Callable, Mapping, Sequence
from math import isclose
from pathlib import Path

from lightning_sciml.errors import InputError, ReportedError
from lightning_sciml.releases.card import Card, Metric, Result
from lightning_sciml.releases.measuring import measured_metrics
from lightning_sciml.releases.tested_sets import generate_test_split, split_checksum
from lightning_sciml.shards.manifest import Manifest

TOLERANCE = 1e-3
"""Relative: processors and libraries round differently."""


class OtherNumberError(ReportedError):
    """A number of a card is not met."""


def reproduce(
    operator: Path,
    directory: Path,
    *,
    sets: Sequence[str] = (),
    datasets: Mapping[str, Path] | None = None,
    say: Callable[[str], None],
) -> None:
    """Test an operator on the data sets of its card and compare all numbers.

    Args:
        operator: folder of the operator.
        directory: folder for generated sets and reports.
        sets: names of some data sets of the card; all by default.
        datasets: folders of sets that are there already, by name.
        say: called with a line about each number.

    Raises:
        InputError: a set is not in the card, or cannot be made.
        OtherNumberError: numbers are missed; all of them are named, in one line.
    """
    card, given = Card.load(operator), datasets or {}
    chosen = _chosen(card, [*sets] or [r.dataset.type for r in card.results])
    missed = []
    for result in chosen:
        wanted = result.dataset
        folder = given.get(wanted.type) or generate_test_split(wanted, directory / "data")
        _compare_data(result, folder, is_given=wanted.type in given, say=say)
        found = measured_metrics(operator, folder, directory / "test")
        missed += _missed(result, found, say)
    if missed:
        raise OtherNumberError(
            f"{card.name} does not meet its card to {TOLERANCE:g}: {'; '.join(missed)}; compare "
            "versions by `sciml doctor` and `sciml models show`, and load the operator again"
        )


def _chosen(card: Card, names: Sequence[str]) -> list[Result]:
    known = {result.dataset.type: result for result in card.results}
    if unknown := [name for name in names if name not in known]:
        raise InputError(
            f"the card of {card.name} has no data set {unknown[0]}; it has {', '.join(known)}"
        )
    return [known[name] for name in names]


def _compare_data(
    result: Result, folder: Path, *, is_given: bool, say: Callable[[str], None]
) -> None:
    """Reject a given set with other samples; a generated one may differ by rounding."""
    name, wanted = result.dataset.type, result.dataset.revision
    checksum = split_checksum(Manifest.load(folder))
    if checksum == wanted:
        return
    if is_given:
        raise InputError(
            f"the test split in {folder} has checksum {checksum}, the card has {wanted} for "
            f"{name}; leave it out of --datasets to have it generated"
        )
    say(f"{name}: generated with other bits ({checksum}, not {wanted}), as processors may round")


def _missed(result: Result, found: Sequence[Metric], say: Callable[[str], None]) -> list[str]:
    """List the numbers that are not met."""
    name, got = result.dataset.type, {metric.type: metric for metric in found}
    missed = []
    for metric in result.metrics:
        new = got.get(metric.type)
        value = float("nan") if new is None else new.value
        same = new is not None and new.args == metric.args
        say(f"{name} {metric.type}: {value:.6g}, wanted {metric.value:.6g}{', same table' * same}")
        if not isclose(value, metric.value, rel_tol=TOLERANCE):
            missed.append(f"{metric.type} on {name} is {value:.6g}, wanted {metric.value:.6g}")
    return missed
