"""What a run measures, and what it measures it on: one prepared template, cases with values, writes with targets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from inboxbench.bench.execute.session import measuring
from inboxbench.bench.sets.catalogue import CURRENT, Catalogue, project_catalogue
from inboxbench.bench.sets.indexset import IndexSet, live_set, sound_sets
from inboxbench.bench.sets.template import prepared_template
from inboxbench.bench.workload.queries import Case, Workload, draw_cases, read_workload
from inboxbench.bench.workload.rewrites import check_rewrites, rewritten
from inboxbench.bench.workload.writes import Targets, draw_targets, read_writes
from inboxbench.database import Connection, connect, read_marker
from inboxbench.database_roles import policies_remark
from inboxbench.database_settings import replaced
from inboxbench.errors import UsageError
from inboxbench.project import Loose, Project
from inboxbench.server import Server
from inboxbench.sqlfile import QueryFile

# Chatwoot's own statement_timeout: what is slower than this is an error page to a user.
TIMEOUT_S = 14.0

_INDEX_BYTES = """
    SELECT coalesce(sum(pg_relation_size(i.oid)), 0) FROM pg_class i JOIN pg_namespace n ON n.oid = i.relnamespace
    WHERE i.relkind = 'i' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
"""

Progress = Callable[[int, int, str], None]
Sets = Sequence[str] | Sequence[IndexSet]


@dataclass(frozen=True, slots=True)
class Request:
    """`template` holds the data of `profile` without secondary indexes; sets in their order; targets by class.
    as_is: rows lie where they lay in the source, else in key order. refused: sets that cannot be built, and why. role:
    whom queries are executed as (None: the server's own user). current: the secondary indexes of the source. caveats:
    what to know before the figures. untried: the other sets of the catalogue, each with the reason."""

    template: str
    profile: str
    sets: tuple[IndexSet, ...]
    workload: Workload
    writes: tuple[QueryFile, ...]
    targets: Targets
    timeout_s: float
    notes: tuple[str, ...] = ()
    as_is: bool = False
    refused: tuple[str, ...] = ()
    role: str | None = None
    current: IndexSet = field(default_factory=lambda: IndexSet(CURRENT, CURRENT, "", ()))
    caveats: tuple[str, ...] = ()
    untried: tuple[tuple[str, str], ...] = ()

    @property
    def cells(self) -> int:
        return len(self.sets) * len(self.workload.cases)

    def cases(self, index_set: IndexSet) -> tuple[Case, ...]:
        """Return the cases as the set asks them, whose queries may be written in another way."""
        return tuple(rewritten(case, index_set.members.queries) for case in self.workload.cases)


class Steps:
    """Counts steps for whoever shows progress."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._done = 0
        self._total = total
        self._progress = progress

    def __call__(self, text: str, steps: int = 1) -> None:
        if self._progress:
            self._progress(self._done, self._total, text)
        self._done += steps


def titled(steps: Steps, index_set: IndexSet, what: str) -> Callable[[str], None]:
    """`steps` for the parts of a set."""
    return lambda name: steps(f"{index_set.title}: {what}{name}")


@contextmanager
def prepared_request(
    server: Server,
    source: str,
    project: Project,
    *,
    sets: Sets | None = None,
    queries: Sequence[str] | None = None,
    writes: bool = True,
    timeout_s: float = TIMEOUT_S,
    as_is: bool = False,
    lenient: bool = False,
    role: str | None = None,
    caveats: Sequence[str] = (),
    as_source: bool = False,
    progress: Progress | None = None,
) -> Iterator[Request]:
    """Yield a request with everything read, drawn and tried out; the template is dropped at the end of the block.

    Raises UsageError for unknown names and wrong definitions before anything is built; `lenient`: a set with a wrong
    definition is left out and said, as long as another one is left. as_source: tables are not vacuumed.
    """
    catalogue = project_catalogue(project)
    workload, changes = read_workload(project, queries), read_writes(project) if writes else ()
    with connect(server.conninfo(source)) as connection:
        current, chosen = current_set(connection), choose_sets(connection, project, sets)
    untried = _untried(catalogue, chosen)
    for index_set in chosen:
        if index_set.members.queries:
            every = read_workload(project).queries
            check_rewrites(index_set.members.queries, every, _where(catalogue, index_set))
    if progress:
        progress(0, 0, "preparing a copy without secondary indexes")
    with prepared_template(server, source, as_is=as_is or as_source, as_source=as_source) as template:
        with connect(server.conninfo(template)) as connection:
            chosen, refused = _buildable(connection, catalogue, chosen, current, lenient=lenient)
            workload = draw_cases(workload, connection, project)
            targets = {
                write.classes[0]: draw_targets(connection, project.bench / "targets", write) for write in changes
            }
            notes = (*refused, *workload.skipped, *_members(chosen), *_remarks(connection))
            if role:
                notes = (*notes, f"queries are executed as role {role}")
            by_default = any(not query.role for query in workload.queries)
            if by_default and (unbound := policies_remark(connection, role)):
                caveats = (unbound, *caveats)
        profile = _profile(server, source)
        if profile == source:  # rows of somebody's: what their own settings would give is worth knowing
            notes = (*notes, *replaced(server, template, measuring(timeout_s)))
        yield Request(
            *(template, profile, chosen, workload, changes, targets, timeout_s, notes, as_is, refused, role, current),
            caveats=tuple(caveats),
            untried=untried,
        )


def _untried(catalogue: Catalogue, chosen: Sequence[IndexSet]) -> tuple[tuple[str, str], ...]:
    """Return the sets of the catalogue that are not among the chosen ones, and why not."""
    names = {index_set.name for index_set in chosen}
    said = f"{catalogue.path.name} says `default = false`; --sets measures them"
    return tuple(
        (name, "--sets does not name them" if index_set.default else said)
        for name, index_set in catalogue.sets.items()
        if name not in names
    )


def _where(catalogue: Catalogue, index_set: IndexSet) -> str:
    return f"{catalogue.path} [set.{index_set.name}]"


def current_set(connection: Connection) -> IndexSet:
    """Return the indexes that the database behind `connection` has, as a set."""
    return live_set(connection, CURRENT, "the indexes it has")


def _buildable(
    connection: Connection, catalogue: Catalogue, chosen: Sequence[IndexSet], current: IndexSet, *, lenient: bool
) -> tuple[tuple[IndexSet, ...], tuple[str, ...]]:
    sound, refused = sound_sets(connection, catalogue.path, chosen, current)
    if refused and not (lenient and sound):
        raise UsageError(refused[0].partition(": ")[2])
    return tuple(sound), tuple(refused)


def _members(chosen: Sequence[IndexSet]) -> list[str]:
    """Say what the sets have besides their own indexes."""
    notes = []
    for index_set in chosen:
        begun = ["the indexes that the database has"] if index_set.members.on_current else []
        if parts := [*begun, *index_set.members.sentences()]:
            notes.append(f"set {index_set.name} has, besides its own indexes: {'; '.join(parts)}")
    return notes


def choose_sets(connection: Connection, project: Project, sets: Sets | None) -> tuple[IndexSet, ...]:
    """Return sets by name, sets as they are, or the default ones, each once, on the database behind `connection`.

    CURRENT is the set of the indexes that the database has; questions of one's own are compared with it by default.
    """
    catalogue, current = project_catalogue(project), current_set(connection)
    wanted: Sets = sets if sets is not None else _default_sets(catalogue, project)
    index_sets: list[IndexSet] = []
    for chosen in wanted:
        if isinstance(chosen, IndexSet):
            index_sets.append(chosen)
        elif chosen == CURRENT and CURRENT not in catalogue.sets:
            index_sets.append(current)
        else:
            index_sets += catalogue.choose([chosen])
    every = (index_set.based_on(current, _where(catalogue, index_set)) for index_set in index_sets)
    return tuple({index_set.name: index_set for index_set in every}.values())


def _default_sets(catalogue: Catalogue, project: Project) -> list[str]:
    own = [CURRENT] if isinstance(project, Loose) else []
    return list(dict.fromkeys([*own, *(index_set.name for index_set in catalogue.choose())]))


def check_sets(project: Project, names: Sequence[str] | None) -> None:
    """Raises UsageError for a set that there will not be."""
    catalogue = project_catalogue(project)
    catalogue.choose(None if names is None else [name for name in names if name != CURRENT])


def _remarks(connection: Connection) -> list[str]:
    """Return what about this server makes figures mean something else than usual."""
    row = connection.execute("SELECT current_setting('full_page_writes')").fetchone()
    if row and row[0] == "on":
        return ["full_page_writes is on: WAL holds whole pages after each checkpoint, so its bytes compare roughly"]
    return []


def _profile(server: Server, source: str) -> str:
    """The profile the source was seeded with, as its marker says, else its name."""
    marker = read_marker(server, source) or {}
    return str(marker.get("profile", source))


def settle(server: Server, name: str) -> int:
    """Write everything out before measuring; the bytes of all indexes, those of rules included."""
    with connect(server.conninfo(name)) as connection:
        if server.owned:
            connection.execute("CHECKPOINT")
        return index_bytes(connection)


def index_bytes(connection: Connection) -> int:
    row = connection.execute(_INDEX_BYTES).fetchone()
    return int(row[0]) if row else 0
