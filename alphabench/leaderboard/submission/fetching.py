"""The files that a card lists and a pack does not hold: brought from the hub that the card names."""

from collections.abc import Mapping
from pathlib import Path

from alphabench.data.hub import Open, fetch_from_hub
from alphabench.errors import DataError
from alphabench.leaderboard.submission import limits
from alphabench.leaderboard.submission.card import Card
from alphabench.leaderboard.submission.findings import Finding, Refused, finding, refuse
from alphabench.leaderboard.submission.names import CARD
from alphabench.leaderboard.submission.tree import LARGEST, Held


def fetch_listed(
    card: Card, target: Path, held: Mapping[str, Held], *, open_address: Open | None = None
) -> dict[str, Held]:
    """Bring the listed files that the pack lacks into its private copy; later checks treat them like all others.

    Raises:
        Refused: too many or too large files, or one that cannot be had.
    """
    assert card.source is not None
    refuse(check_number(card))
    found: dict[str, Held] = {}
    room = limits.FETCHED_PACK_BYTES
    for path in sorted(card.files.keys() - held.keys()):
        place = target / path
        place.parent.mkdir(parents=True, exist_ok=True)
        most = min(room, LARGEST.get(path, limits.FETCHED_FILE_BYTES))
        try:
            size, sha256 = fetch_from_hub(
                card.source.hub, card.source.revision, path, place, limit=most, open_address=open_address
            )
        except DataError as error:
            raise Refused([finding("E_FETCH", path, error.message, error.remedy)]) from error
        room -= size
        found[path] = Held(size, sha256)
    return found


def check_number(card: Card) -> list[Finding]:
    """Refuse a card that lists more files than a pack may have."""
    if len(card.files) <= limits.FILES:
        return []
    fact = f"it lists {len(card.files)} files, more than {limits.FILES}"
    return [finding("E_BUDGET", CARD, fact, "Submit fewer files.")]
