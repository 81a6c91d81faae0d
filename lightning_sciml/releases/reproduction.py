"""Meet the numbers of a card again: generate its test splits, predict, compare."""

from collections.abc import Callable, Sequence
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
    datasets: Sequence[Path] = (),
    say: Callable[[str], None],
) -> int:
    """Test an operator on data sets: compare those of its card with it, report the others.

    Args:
        operator: folder of the operator.
        directory: folder for generated sets and reports.
        sets: names of sets to test beside the given ones that the card does not have; by default
            all of the card, or those of `datasets` where the card does not have all of them.
        datasets: folders of sets that are there already.
        say: called with a line about each number.

    Returns:
        The number of sets that were compared with the card.

    Raises:
        InputError: a set is neither given nor in the card, or cannot be made.
        OtherNumberError: numbers are missed; all of them are named, in one line.
    """
    card, given = Card.load(operator), _by_name(datasets)
    known = {result.dataset.type: result for result in card.results}
    others = [name for name in given if name not in known]
    if not sets:
        others += [n for n in given if n in known and not _is_of_card(known[n], given[n])]
    names = dict.fromkeys([*others, *sets] if sets else given if others else known)
    if unknown := [name for name in names if name not in {**known, **given}]:
        raise InputError(
            f"the card of {card.name} has no data set {unknown[0]}; it has {', '.join(known)}; "
            "give the folder of another set by --datasets"
        )
    missed = []
    for name in names:
        folder = given.get(name) or generate_test_split(known[name].dataset, directory / "data")
        if name not in others:
            _compare_data(known[name], folder, is_given=name in given, say=say)
        found = measured_metrics(operator, folder, directory / "test")
        if name in others:
            _report(name, found, say, of_card=name in known)
        else:
            missed += _missed(known[name], found, say)
    if missed:
        raise OtherNumberError(
            f"{card.name} does not meet its card to {TOLERANCE:g}: {'; '.join(missed)}; compare "
            "versions by `sciml doctor` and `sciml models show`, and load the operator again"
        )
    return len(names) - len(others)


def _by_name(datasets: Sequence[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for folder in datasets:
        name = Manifest.load(folder).name
        if name in found:
            raise InputError(
                f"{found[name]} and {folder} hold data sets of one name, {name}; test one at a time"
            )
        found[name] = folder
    return found


def _is_of_card(result: Result, folder: Path) -> bool:
    return split_checksum(Manifest.load(folder)) == result.dataset.revision


def _report(
    name: str, found: Sequence[Metric], say: Callable[[str], None], *, of_card: bool
) -> None:
    """Say what was measured on a set for which the card has no numbers."""
    if of_card:
        say(f"{name}: its test split is not the one of the card, so nothing is compared")
    for metric in found:
        say(f"{name} {metric.type}: {metric.value:.6g}, {metric.name}")


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
            f"{name}; leave it out of --datasets to have it generated, or --sets out to see the "
            "errors on it"
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
