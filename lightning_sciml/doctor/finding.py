"""Findings of checks, and the table that shows them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum


class Verdict(StrEnum):
    """What a finding means for a job."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True)
class Finding:
    """One line of the table.

    Attributes:
        subject: what was looked at.
        found: what is there.
        verdict: what it means.
        remedy: what to do, unless it is good.
        must_agree: whether all ranks have to find the same.
    """

    subject: str
    found: str
    verdict: Verdict = Verdict.GOOD
    remedy: str = ""
    must_agree: bool = False


def failed(subject: str, error: Exception, remedy: str) -> Finding:
    """Make the finding of a check that could not be carried out."""
    line = next(iter(str(error).splitlines()), "") or type(error).__name__
    return Finding(subject, line[:100], Verdict.BAD, remedy)


def merged(by_rank: Sequence[Sequence[Finding]]) -> list[Finding]:
    """Merge findings of all ranks, each once; name the ranks where they differ on a subject."""
    ranks: dict[Finding, list[int]] = {}
    for rank, findings in enumerate(by_rank):
        for finding in findings:
            ranks.setdefault(finding, []).append(rank)
    subjects = [f.subject for f in ranks]
    merged = []
    for f, where in sorted(ranks.items(), key=lambda item: subjects.index(item[0].subject)):
        if subjects.count(f.subject) > 1:
            shown = ", ".join(map(str, where[:4])) + (", …" if len(where) > 4 else "")
            f = replace(f, found=f"{f.found} (rank {shown})")
            if f.must_agree:
                f = replace(f, verdict=Verdict.BAD, remedy="use one environment on all nodes")
        merged.append(f)
    return merged


def table(findings: Sequence[Finding]) -> str:
    """Format subjects, what was found, verdicts, and the remedies below their lines."""
    widths = [max(len(getattr(f, name)) for f in findings) for name in ("subject", "found")]
    lines = []
    for f in findings:
        lines.append(f"{f.subject:{widths[0]}}  {f.found:{widths[1]}}  {f.verdict}")
        if f.remedy:
            lines.append(f"{'':{widths[0]}}  → {f.remedy}")
    return "\n".join(lines)
