"""Sentences of a report, the same for the terminal, the page and a job summary; each renders the emphasis itself."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from inboxbench.report.model import Cell, Matrix


class Strong(str):
    """A part of a sentence the eye should land on."""

    __slots__ = ()


Sentence = tuple[str, ...]
Tone = Literal["good", "bad", "plain"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One topic of the verdict: `bad` means that something must not be shipped as it is."""

    topic: str
    sentences: tuple[Sentence, ...]
    tone: Tone = "plain"


def listed(names: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *head, last = list(names) or [""]
    return f"{', '.join(head)} and {last}" if head else last


def describe_cell(matrix: Matrix, cell: Cell) -> str:
    """`search_word (the largest account)`: a cell as a reader names it."""
    title = {c.name: c.title for c in matrix.classes}.get(cell.parameter_class) or cell.parameter_class
    return f"{cell.query} ({title[:1].lower()}{title[1:]})"
