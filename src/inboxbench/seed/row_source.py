"""What the seeder asks of a row source, the code that knows a project's tables and makes their rows.

A project names its row source in pyproject.toml:

    [tool.inboxbench]
    row-source = "shop.rows:SOURCE"

Worker processes and Dask workers get that name and import it themselves. A load has three steps: `plan` works out once
what all blocks share and leaves it in the job's folder; each worker opens a `builder` on that folder; the blocks of
the plan's phases are built and sent, by any worker and in any order within a phase. A block has the same bytes whoever
builds it, so a table's checksum says whether two loads made the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, LiteralString, Protocol, TypeVar

from inboxbench.errors import UsageError, unknown
from inboxbench.extensions import extension_name, import_target
from inboxbench.project import Project
from inboxbench.seed.binary import Octets

if TYPE_CHECKING:
    from psycopg import sql

    from inboxbench.seed.profile import BaseProfile

P = TypeVar("P", bound="BaseProfile")

KEY = "row-source"
# Slices of this size keep client and server busy at the same time.
SLICE = 128 * 1024

Problem = tuple[str, str]
"""A key of a profile, and what is wrong with its value."""


# --- what a load makes --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Layout:
    """The tables of a schema and their columns as they are sent; columns that are left out take their default.

    name: "baseline" or "head"; schema: the file under schema/ that makes the tables. Tables stand in the order in
    which their rows refer to each other, the largest ones last. The first column of each follows the order of arrival.
    """

    name: str
    schema: str
    columns: Mapping[str, tuple[str, ...]]

    @property
    def at_head(self) -> bool:
        return self.name == "head"


@dataclass(frozen=True, slots=True)
class Job:
    """What every worker of a load knows.

    folder: what all workers share; source: the row source's name; conninfo: None builds without sending; slice: bytes
    sent at a time; by_file: whether the server reads blocks as files from `folder`.
    """

    folder: Path
    source: str
    profile: Any
    seed: int
    layout: Layout
    conninfo: str | None
    slice: int = SLICE
    by_file: bool = False


@dataclass(frozen=True, slots=True)
class Task:
    """A block of a table. details: what else its rows depend on; it is pickled."""

    table: str
    number: int = 0
    details: Any = None


@dataclass(frozen=True, slots=True)
class Part:
    """`length` bytes from `place` of a file that blocks write into the job's folder, all of them in the piece that one
    block left from `start` on. again: other blocks of the same worker are going to need it too."""

    name: str
    start: int
    place: int
    length: int
    again: bool = False


@dataclass(frozen=True, slots=True)
class Built:
    """A block: its COPY rows without header and trailer. note: what later phases have to know of it, as JSON values;
    left: what it wrote into the job's folder for blocks of later phases."""

    data: Octets
    rows: int
    note: Any = None
    left: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """What a worker reports of a block. octets: bytes sent; cpu: seconds of its process; server_cpu: seconds of its
    backend, where that is a process of this machine; peak_mb: largest memory of its process so far."""

    table: str
    number: int
    rows: int
    octets: int
    checksum: int
    cpu: float
    server_cpu: float | None
    peak_mb: float
    note: Any = None


Blocks = Mapping[str, Sequence[Done]]
"""Finished blocks by table, in the order of their numbers."""


@dataclass(frozen=True, slots=True)
class Plan:
    """rows: of all tables together, about. phases: each lists the blocks that can be built once those before it are
    done."""

    rows: int
    phases: Sequence[Callable[[Blocks], list[Task]]]


class Builder(Protocol):
    """Builds blocks from what the job's folder holds; one a worker."""

    def needs(self, task: Task) -> Sequence[Part]:
        """What `task` reads of files that other blocks wrote; on one machine they are in the folder already."""

    def build(self, task: Task) -> Built:
        """Build the rows of a block."""


# --- what happens to it -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Churn:
    """The past of a live database as statements that leave every row as it was.

    tables: those that they change: their triggers are off meanwhile, they are vacuumed before the last round and
    analysed at the end. first: statements that run one after the other; rounds: statements that run in parallel.
    """

    tables: tuple[str, ...]
    first: tuple[sql.Composed, ...]
    rounds: tuple[tuple[sql.Composed, ...], ...]


@dataclass(frozen=True, slots=True)
class Measures:
    """What `--describe` measures beside statistics and files, as queries.

    skews: title → SELECT of owner, n; lengths: JSON key → (title, SELECT of n); facts: JSON key → (title, SELECT of
    one share), shown with the words; shares, shares_at_head: title → SELECT of one share; words: table and text
    column whose words are counted; columns: by table, those whose statistics are shown.
    """

    skews: Mapping[str, LiteralString]
    lengths: Mapping[str, tuple[str, LiteralString]]
    shares: Mapping[str, LiteralString]
    columns: Mapping[str, tuple[str, ...]]
    shares_at_head: Mapping[str, LiteralString]
    facts: Mapping[str, tuple[str, LiteralString]]
    words: tuple[str, str] | None


class RowSource(Protocol[P]):
    """Tables, profiles and rows of a project.

    generator: raised whenever the same profile and seed would give other rows; profile_type: the dataclass of its
    profiles' keys; counted: the table whose rows a profile's size counts; row_bytes: bytes on disk for such a row,
    its indexes, their sort files and its share of the other tables; layouts: by name, "baseline" at least.
    """

    generator: int
    profile_type: type[P]
    counted: str
    row_bytes: int
    layouts: Mapping[str, Layout]
    measures: Measures

    def problems(self, profile: P) -> Iterator[Problem]:
        """What contradicts what in a profile; values out of the range that their type names are found without it."""

    def size(self, profile: P) -> int:
        """Rows of the table `counted`."""

    def resized(self, profile: P, size: int) -> P:
        """The profile with `size` rows of that table. Raises UsageError when so few cannot be."""

    def ingredients(self, seeds: Path) -> tuple[Sequence[str], Sequence[Path]]:
        """What else rows depend on: versions of libraries, and files of the project's folder `seeds`."""

    def plan(self, job: Job, seeds: Path) -> Plan:
        """Work out what all blocks share, and leave it in the job's folder."""

    def builder(self, job: Job) -> Builder:
        """A builder for a worker that finds the shared files in the job's folder."""

    def churn(self, section: Mapping[str, Any], rows: Mapping[str, int]) -> Churn:
        """Statements for the keys of a profile's section [churn] and the rows of each table. Raises TypeError for
        keys that do not fit; a profile without such a section is never asked."""


# --- by name ------------------------------------------------------------------------------------------------------


@cache
def row_source(name: str) -> RowSource[Any]:
    """The row source that "module:attribute" names. Raises UsageError when there is none."""
    source: RowSource[Any] = import_target(name, f"{KEY} {name!r}")
    return source


def row_source_name(project: Project) -> str:
    """The name of the project's row source. Raises UsageError when the project names none."""
    name = extension_name(project, KEY)
    if name is None:
        raise UsageError(
            f"this project names no row source: to seed it, {project.extensions} needs [tool.inboxbench] "
            f'{KEY} = "module:attribute"'
        )
    return name


def project_row_source(project: Project) -> RowSource[Any]:
    """The project's row source. Raises UsageError when it names none, or one that cannot be imported."""
    return row_source(row_source_name(project))


def find_layout(source: RowSource[Any], name: str) -> Layout:
    """The layout `name` of a row source. Raises UsageError when it has none of that name."""
    if name not in source.layouts:
        raise unknown("schema to seed at", name, source.layouts)
    return source.layouts[name]
