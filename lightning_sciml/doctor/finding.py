"""What a check has found, and the table of all."""

from collections.abc import Sequence
from dataclasses import dataclass
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
    """

    subject: str
    found: str
    verdict: Verdict = Verdict.GOOD
    remedy: str = ""


def merged(by_rank: Sequence[Sequence[Finding]]) -> list[Finding]:
    """Findings of all ranks; what several have found alike is said once, with how many."""
    ranks: dict[Finding, list[int]] = {}
    for rank, findings in enumerate(by_rank):
        for finding in findings:
            ranks.setdefault(finding, []).append(rank)
    order = {f.subject: i for i, f in reversed(list(enumerate(ranks)))}
    everywhere = len(by_rank)
    return [
        Finding(f.subject, f"{f.found}{_on(where, everywhere)}", f.verdict, f.remedy)
        for f, where in sorted(ranks.items(), key=lambda item: order[item[0].subject])
    ]


def _on(ranks: Sequence[int], num_ranks: int) -> str:
    if len(ranks) == num_ranks:
        return ""
    named = ", ".join(map(str, ranks[:4])) + (", …" if len(ranks) > 4 else "")
    return f" (rank {named})"


def table(findings: Sequence[Finding]) -> str:
    """Subjects, what was found, verdicts, and the remedies below their lines."""
    widths = [max(len(getattr(f, name)) for f in findings) for name in ("subject", "found")]
    lines = []
    for f in findings:
        lines.append(f"{f.subject:{widths[0]}}  {f.found:{widths[1]}}  {f.verdict}")
        if f.remedy:
            lines.append(f"{'':{widths[0]}}  → {f.remedy}")
    return "\n".join(lines)
