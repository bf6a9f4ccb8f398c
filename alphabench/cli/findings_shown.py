"""How the findings of a submission are told; whatever a stranger wrote arrives here escaped."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from alphabench.leaderboard.submission.findings import Finding


def print_findings(findings: "Sequence[Finding]") -> None:
    """Print one line for each finding on stdout."""
    for item in findings:
        click.echo(str(item))


def refusal(findings: "Sequence[Finding]") -> dict[str, Any]:
    """Return the error object of a refused pack, empty for a good one."""
    if not findings:
        return {}
    first, more = findings[0], len(findings) - 1
    message = f"{first.code} {first.path}: {first.fact}" + (f" (and {more} more)" if more else "")
    return {"error": {"code": first.code, "message": message, "remedy": first.remedy}}
