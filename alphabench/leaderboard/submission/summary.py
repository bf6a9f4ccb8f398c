"""A verification as a short Markdown text for a pull request; a stranger's words are shown, never rendered."""

import math

from alphabench.leaderboard.submission.comparison import Compared
from alphabench.leaderboard.submission.findings import shown_markdown
from alphabench.leaderboard.submission.verify import Verification
from alphabench.metrics.catalog import CATALOG

HEADLINES = 12


def markdown(found: Verification) -> str:
    """Return the summary of a verification."""
    document = found.record.document
    model = document["model"]
    verdict = "the claim stands" if found.ok else "the claim does not stand"
    if found.claimed is None:
        verdict = "nothing was claimed"
    lines = [
        f"### alphabench: tier {found.tier}, {verdict}",
        "",
        f"{shown_markdown(model['org'])}/{shown_markdown(model['name'])}, licence {shown_markdown(model['licence'])}",
        "",
        "| metric | claimed | found |",
        "|---|---|---|",
        *(_row(item) for item in found.means[:HEADLINES]),
        "",
        *(
            f"- `E_VERIFY` {shown_markdown(item.place)}: {item.metric} claimed {item.claimed:.6g}, "
            f"found {item.found:.6g}, tolerance {item.tolerance:.3g}"
            for item in found.worst
        ),
        *(f"- flag: {flag}, a person should look at it" for flag in found.flags),
        f"- new record `{found.record.id}`, pack `{found.pack_hash[:16]}`",
    ]
    if notes := document.get("notes"):
        lines.append(f"- notes: {shown_markdown(notes, limit=1000)}")
    return "\n".join(lines) + "\n"


def _row(item: Compared) -> str:
    digits = CATALOG[item.metric].decimals
    claimed = "-" if math.isnan(item.claimed) else f"{item.claimed:.{digits}f}"
    return f"| {item.metric} | {claimed} | {item.found:.{digits}f} |"
