"""A terminal on which names and values of a database are only text: none of their characters moves the cursor, colours
the rest, or turns the reading direction round."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

_STAY = frozenset("\n\t\u200c\u200d")  # layout, and what joins letters of a word or parts of an emoji
_UNSEEN = frozenset({"Cc", "Cf", "Cs"})


class SafeConsole(Console):
    """A rich console that shows the control and format characters of what it prints by their escapes."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the segments of a renderable; those by which rich itself steers the terminal stay."""
        for segment in super().render(renderable, options):
            if segment.control or (segment.text.isascii() and segment.text.isprintable()):
                yield segment
            else:
                yield Segment(escaped(segment.text), segment.style)


def escaped(text: str) -> str:
    r"""Return a text with its control and format characters as escapes.

    >>> escaped("a\x1b[31mb\u202ec")
    'a\\x1b[31mb\\u202ec'
    """
    return "".join(ascii(letter)[1:-1] if _is_unseen(letter) else letter for letter in text)


def _is_unseen(letter: str) -> bool:
    return letter not in _STAY and unicodedata.category(letter) in _UNSEEN
