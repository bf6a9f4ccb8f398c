"""What a check found: a code, a place, a fact and a remedy, in words that are safe to print.

Names and texts of a pack are a stranger's: they reach a terminal, a log or a page only through `shown`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

LONGEST = 300


@dataclass(frozen=True)
class Finding:
    """One fault of a pack.

    Attributes:
        code: what kind of fault, for instance `E_LINK`.
        path: where in the pack, escaped.
        fact: what is wrong.
        remedy: how to mend it.
    """

    code: str
    path: str
    fact: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.code} {self.path}: {self.fact}. {self.remedy}"

    def document(self) -> dict[str, str]:
        """Return the finding as a JSON object."""
        return {"code": self.code, "path": self.path, "fact": self.fact, "remedy": self.remedy}


class Refused(Exception):
    """A stage that found faults.

    Args:
        findings: at least one.
    """

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__("; ".join(map(str, findings)))
        self.findings = tuple(findings)


def finding(code: str, path: str, fact: str, remedy: str) -> Finding:
    """Return a finding whose texts are escaped, each on one line."""
    return Finding(code, shown_path(path), shown(fact).rstrip("."), shown(remedy))


def refuse(found: Iterable[Finding]) -> None:
    """Raise `Refused` if there is any finding."""
    if faults := list(found):
        raise Refused(faults)


def shown(text: str, *, limit: int = LONGEST) -> str:
    r"""Return `text` without anything that a terminal or a log could obey: `\x1b` for the escape character.

    Control characters, line ends, invisible and direction-changing characters are written as escapes; what is
    longer than `limit` is cut.
    """
    safe = "".join(letter if letter.isprintable() else _escaped(letter) for letter in text[: limit + 1])
    return safe if len(safe) <= limit else f"{safe[: limit - 3]}..."


def shown_path(path: str) -> str:
    """Return `path` in printable ASCII, so that letters that only look alike are told apart."""
    return shown(path.encode("ascii", "backslashreplace").decode("ascii"), limit=200) or "(empty)"


def shown_markdown(text: str, *, limit: int = LONGEST) -> str:
    """Return `text` as Markdown and HTML that show it as it is: no element, link, image or mention."""
    return "".join(
        letter if letter.isalnum() or letter == " " else f"&#{ord(letter)};" for letter in shown(text, limit=limit)
    )


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii") if letter.isascii() else _point(letter)


def _point(letter: str) -> str:
    return f"\\u{ord(letter):04x}"
