"""The mix of requests that a recommendation is for: shares of queries and writes, as a person states them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from inboxbench.documents import read_toml
from inboxbench.errors import UsageError, unknown
from inboxbench.project import Project
from inboxbench.sqlfile import QueryFile

READS, WRITES = "reads", "writes"
# Where neither the user nor the project says better: four reads to a write, every query and every write alike.
DEFAULT = {READS: 80.0, WRITES: 20.0}
_FILE = "mix.toml"
_EXAMPLE = "name=weight, such as list=60; or give reads:writes, such as 80:20"

Weights = Mapping[str, float]
Groups = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Mix:
    """shares: of each query (`reads`) and each write by name; all together they are 1."""

    text: str
    reads: Weights
    writes: Weights

    @property
    def write_share(self) -> float:
        return sum(self.writes.values())

    def to_json(self) -> dict[str, Any]:
        return {
            "text": self.text,
            "reads": {name: round(share, 6) for name, share in self.reads.items()},
            "writes": {name: round(share, 6) for name, share in self.writes.items()},
        }


def parse_weights(text: str) -> dict[str, float]:
    """`list=60,writes=20` or `80:20` as weights by name. Raises UsageError.

    >>> parse_weights("80:20"), parse_weights("list=3, mark_read=1")
    ({'reads': 80.0, 'writes': 20.0}, {'list': 3.0, 'mark_read': 1.0})
    """
    reads, colon, writes = text.partition(":")
    parts = [f"{READS}={reads}", f"{WRITES}={writes}"] if colon and "=" not in text else text.split(",")
    weights: dict[str, float] = {}
    for part in parts:
        name, equals, figure = (piece.strip() for piece in part.partition("="))
        if not equals or not name:
            raise UsageError(f"--mix: {part.strip()!r} is not {_EXAMPLE}")
        if name in weights:
            raise UsageError(f"--mix: {name!r} is given twice; keep one")
        weights[name] = _weight(name, figure)
    if not any(weights.values()):
        raise UsageError("--mix: every weight is 0; give at least one above")
    return weights


def _weight(name: str, figure: str) -> float:
    try:
        weight = float(figure)
    except ValueError:
        weight = math.nan
    if not math.isfinite(weight) or weight < 0:
        raise UsageError(f"--mix: {name}={figure} is no weight; give a number from 0 on")
    return weight


def project_weights(project: Project) -> dict[str, float]:
    """Return what `bench/mix.toml` says under [mix], or DEFAULT where there is no such file. Raises UsageError."""
    path = project.bench / _FILE
    if not path.is_file():
        return dict(DEFAULT)
    table = read_toml(path).get("mix")
    if not isinstance(table, dict) or not table:
        raise UsageError(f"{path}: there is no [mix] with weights by name")
    try:
        return parse_weights(",".join(f"{name}={weight}" for name, weight in table.items()))
    except UsageError as error:
        raise UsageError(f"{path} [mix]:{str(error).removeprefix('--mix:')}") from None


def groups(queries: Iterable[tuple[str, str]], writes: Iterable[tuple[str, str]]) -> tuple[Groups, Groups]:
    """Queries and writes, each given as (name, family), by every word that a mix may use for them."""
    return _grouped(READS, queries), _grouped(WRITES, writes)


def _grouped(everything: str, items: Iterable[tuple[str, str]]) -> Groups:
    names: dict[str, tuple[str, ...]] = {}
    for name, family in items:
        for word in (everything, family, name):
            names[word] = tuple(dict.fromkeys((*names.get(word, ()), name)))
    return names


def check_weights(weights: Weights, queries: Sequence[QueryFile], writes: Sequence[QueryFile]) -> None:
    """Raises UsageError for a word that stands for nothing that is going to be measured."""
    reads, changes = groups(_named(queries), _named(writes))
    for name in weights:
        if name not in reads and name not in changes:
            if name == WRITES:
                raise UsageError("--mix: there are no writes to weigh; leave out --no-writes")
            raise unknown("query, write or family", name, [*reads, *changes], where="--mix, of what is measured")


def _named(files: Iterable[QueryFile]) -> list[tuple[str, str]]:
    return [(file.name, file.family) for file in files]


def mixed(weights: Weights, queries: Iterable[tuple[str, str]], writes: Iterable[tuple[str, str]]) -> Mix:
    """Weights as shares of what was measured, given as (name, family): a family's is spread evenly over its members.

    A word that stands for nothing measured counts for nothing; where none is left, everything measured counts alike.
    """
    reads, changes = groups(queries, writes)
    if not any(weight for name, weight in weights.items() if name in reads or name in changes):
        weights = {READS: 1.0, WRITES: 1.0}
    known = {name: weight for name, weight in weights.items() if weight and (name in reads or name in changes)}
    total = sum(known.values()) or 1.0
    text = ", ".join(f"{name} {weight / total:.0%}" for name, weight in known.items())
    return Mix(text, _shares(known, total, reads, other=changes), _shares(known, total, changes, other=reads))


def _shares(weights: Weights, total: float, mine: Groups, *, other: Groups) -> dict[str, float]:
    """A word that stands for reads and writes alike is spread over all that it stands for."""
    shares: dict[str, float] = {}
    for word, weight in weights.items():
        members = len(mine.get(word, ())) + len(other.get(word, ()))
        for name in mine.get(word, ()):
            shares[name] = shares.get(name, 0.0) + weight / total / members
    return shares
