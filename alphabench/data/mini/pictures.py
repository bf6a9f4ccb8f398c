"""The six categories and their 48 pictures, each with its seed."""

from collections.abc import Iterator
from dataclasses import dataclass

from alphabench.data.mini import glass, hair, hard, smoke, soft, text
from alphabench.data.mini.canvas import Picture, Pixels
from alphabench.data.mini.noise import Dice

CATEGORIES: dict[str, tuple[Picture, ...]] = {
    "hard": hard.PICTURES,
    "soft": soft.PICTURES,
    "hair": hair.PICTURES,
    "glass": glass.PICTURES,
    "smoke": smoke.PICTURES,
    "text": text.PICTURES,
}


@dataclass(frozen=True)
class Entry:
    """One picture in its place in the set.

    Attributes:
        category: name of the category.
        picture: name, caption and drawing.
        seed: index of the category · 1000 + index of the picture.
    """

    category: str
    picture: Picture
    seed: int

    @property
    def id(self) -> str:
        """Sample id: category and name."""
        return f"{self.category}/{self.picture.name}"

    def draw(self) -> Pixels:
        """Draw the picture: straight 8-bit RGBA, `(256, 256, 4)`."""
        hidden = self.picture.hidden
        return self.picture.draw(Dice(self.seed)).codes(None if hidden is None else hidden())


def entries() -> Iterator[Entry]:
    """Yield all pictures in the order of the set."""
    for place, (category, pictures) in enumerate(CATEGORIES.items()):
        for index, picture in enumerate(pictures):
            yield Entry(category, picture, 1000 * place + index)
