"""Values of an import: statements as they were recorded, what they are merged to, and what is left out and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

Values = Mapping[int, str | None]


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says above its statement. lines: those that its question keeps; types, values: SQL of the type and of
    the value of a parameter, by its number, of those that say it."""

    lines: tuple[str, ...] = ()
    types: Mapping[int, str] = field(default_factory=dict)
    values: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recorded:
    """A statement of a source. ms: of all its calls together. samples: values of placeholders as text, by number, of
    calls whose values are known. name: of its file, where it has one, and what that says above it. at: when it was
    logged, in seconds of whatever clock the log has."""

    text: str
    calls: int = 1
    ms: float = 0.0
    rows: int = 0
    samples: tuple[Values, ...] = ()
    name: str | None = None
    at: float | None = field(default=None, compare=False)
    header: Header = field(default_factory=Header)


@dataclass(frozen=True, slots=True)
class Shape:
    """Statements that differ in values and spelling alone. text: that of the one that took longest; statements: how
    many were merged."""

    fingerprint: str
    text: str
    calls: int
    ms: float
    rows: int
    samples: tuple[Values, ...] = ()
    name: str | None = None
    statements: int = 1
    header: Header = field(default_factory=Header)

    def merged(self, other: Shape) -> Shape:
        """Return both as one."""
        first, second = (self, other) if self.ms >= other.ms else (other, self)
        return replace(
            first,
            calls=first.calls + second.calls,
            ms=first.ms + second.ms,
            rows=first.rows + second.rows,
            samples=(*first.samples, *second.samples) if first.text == second.text else first.samples,
            statements=first.statements + second.statements,
        )


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Statements that are not imported. reason: why, in words; example: one of them, on one line. query: whether it is
    one that could have been measured."""

    reason: str
    example: str
    ms: float
    calls: int
    statements: int = 1
    query: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """A query of the import. text: with :p1 …; params: types by name; draws: SQL of a class's draw by class (empty: the
    query takes no values, or has them in `values`); remarks: what a reader should know of its values."""

    name: str
    shape: Shape
    text: str
    params: Mapping[str, str]
    draws: Mapping[str, str]
    values: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import made, and what it covers. source: where the statements come from, in words."""

    source: str
    folder: str
    questions: tuple[Question, ...]
    left_out: tuple[LeftOut, ...]
    remarks: tuple[str, ...] = ()

    @property
    def by_time(self) -> bool:
        """Return whether the source knows how long statements took; a folder of SQL does not."""
        return any(part.ms for part in self._parts())

    def _parts(self) -> list[Shape | LeftOut]:
        return [*(question.shape for question in self.questions), *self.left_out]

    @property
    def share(self) -> float:
        """Return the share of the execution time (where it is not known: of the calls) that can be run, 0 to 1."""
        return self._share(self._parts())

    @property
    def share_of_queries(self) -> float:
        """Return the same of SELECT, INSERT, UPDATE, DELETE and MERGE on tables of the database."""
        return self._share([part for part in self._parts() if isinstance(part, Shape) or part.query])

    def _share(self, of: Sequence[Shape | LeftOut]) -> float:
        def amount(part: Shape | LeftOut) -> float:
            return part.ms if self.by_time else part.calls

        total = sum(map(amount, of))
        return sum(amount(question.shape) for question in self.questions) / total if total else 0.0
