"""What a pack is judged on: the protocol and the images that its card names."""

from dataclasses import dataclass
from functools import cached_property

from alphabench.data.dataset import DataSet, resolve_data
from alphabench.errors import UsageError
from alphabench.leaderboard.submission.card import Card
from alphabench.leaderboard.submission.findings import Finding, Refused, finding
from alphabench.leaderboard.submission.names import CARD
from alphabench.protocols import Protocol, list_protocols, load_protocol

MADE_FOR = {"alpha-mini": "alpha-mini@1", "alpha-exact": "alpha-test@1", "alpha-paper": "alpha-test@1"}
"""The data set of a protocol where a card names none."""


@dataclass(frozen=True)
class Ground:
    """Protocol and data set by the names under which every process finds them.

    Attributes:
        protocol_name: `name@version`, or the path of a TOML file.
        data_name: `name@version`, or the path of a folder.
    """

    protocol_name: str
    data_name: str

    @cached_property
    def protocol(self) -> Protocol:
        """Return the protocol."""
        return load_protocol(self.protocol_name)

    @cached_property
    def data(self) -> DataSet:
        """Return the list of the samples; their images may be elsewhere."""
        return resolve_data(self.data_name, need_images=False)


def ground_of(card: Card) -> Ground:
    """Return what a card's pack is judged on.

    Raises:
        Refused: the protocol is not shipped or judges something else, or there is no such data set.
    """
    shipped = {protocol.id: protocol for protocol in list_protocols()}
    found = check_protocol(card, list(shipped))
    name = card.data or MADE_FOR.get(card.protocol.partition("@")[0], "")
    if not found and (not name or shipped[card.protocol].task != "reconstruction"):
        found = [finding("E_CARD", CARD, f"{card.protocol} judges no reconstructions of a known data set", "")]
    if found:
        raise Refused(found)
    ground = Ground(card.protocol, name)
    try:
        ground.data  # noqa: B018 (found now, so that the fault is the card's)
    except UsageError as error:
        raise Refused([finding("E_CARD", CARD, error.message, error.remedy)]) from error
    return ground


def check_protocol(card: Card, shipped: list[str]) -> list[Finding]:
    """Refuse a protocol that this package does not ship."""
    if card.protocol in shipped:
        return []
    remedy = f"Use one of: {', '.join(shipped)}."
    return [finding("E_CARD", CARD, f"there is no protocol {card.protocol!r}", remedy)]
