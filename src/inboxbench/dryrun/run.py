"""One rehearsal from end to end: a copy, the chain on it, and what was seen."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from inboxbench.database import connect
from inboxbench.dryrun.model import DryRun, Revision, Statement, Transaction
from inboxbench.dryrun.more import Schema
from inboxbench.dryrun.observe.observer import Observer, observed
from inboxbench.dryrun.observe.sampler import Catalogue
from inboxbench.dryrun.observe.samples import Samples
from inboxbench.dryrun.schema import all_dependents, child_tables, of_retyped, primary_keys
from inboxbench.dryrun.tools.attribution import attribute, named, read_stamp
from inboxbench.dryrun.tools.command import Chain, Ended, run_chain
from inboxbench.dryrun.tools.revision_files import History
from inboxbench.errors import SubjectFailed, UsageError
from inboxbench.server import Server

Work = Callable[[], Ended]
_TABLES = """
    SELECT format('%I.%I', table_schema, table_name) FROM information_schema.columns
    WHERE column_name = 'version_num' AND table_schema NOT IN ('pg_catalog', 'information_schema')
    ORDER BY table_name <> 'alembic_version', 1
"""


@dataclass(frozen=True, slots=True)
class Leg:
    """A stretch of the chain that was run and observed in one go."""

    ended: Ended
    revisions: tuple[Revision, ...]
    statements: tuple[Statement, ...]
    transactions: tuple[Transaction, ...]
    observer: Observer
    history: History
    tables: frozenset[str] = field(default_factory=frozenset)

    @property
    def error(self) -> str | None:
        """Why it did not get where it should: the server's word before the command's."""
        if self.ended.hung:
            return f"the command ran longer than {self.ended.seconds:.0f} s and was ended; --timeout gives it more"
        if self.ended.status == 0:
            return None
        failed = next((one for one in reversed(self.statements) if one.error), None)
        if failed is None:
            return f"the command ended with status {self.ended.status}: {self.ended.complaint}"
        where = f"revision {failed.revision}" if failed.revision else "the chain"
        hint = "; its extension is missing here: use --server bin:DIR with your own PostgreSQL's programs"
        return f"{where} failed: {failed.error}{hint if 'extension' in (failed.error or '') else ''}"


def current_of(server: Server, database: str) -> list[str]:
    """The revisions that a database is at; none without a version table."""
    with connect(server.conninfo(database)) as connection:
        tables = [name for (name,) in connection.execute(_TABLES)]
        if not tables:
            return []
        return sorted(str(row[0]) for row in connection.execute(f"SELECT version_num FROM {tables[0]}".encode()))  # noqa: S608 - quoted by format('%I')


def run_leg(
    server: Server,
    database: str,
    chain: Chain,
    target: str = "head",
    *,
    downgrade: bool = False,
) -> Leg:
    """The chain's command, observed. Never raises for what the chain does wrong: see Leg.error."""
    return described(watch(server, database, chain, target, downgrade=downgrade))


@dataclass(frozen=True, slots=True)
class Watched:
    """A leg that has ended and is not read yet. before: the revisions that the database was at."""

    chain: Chain
    ended: Ended
    observer: Observer
    before: list[str]
    downgrade: bool


def watch(server: Server, database: str, chain: Chain, target: str = "head", *, downgrade: bool = False) -> Watched:
    """The chain's command, observed, and nothing read of it yet: traffic beside it would feel that."""
    before = current_of(server, database)
    with observed(server, database) as observer:
        ended = run_chain(chain, server.url(database), target, downgrade=downgrade)
    return Watched(chain, ended, observer, before, downgrade)


def described(watched: Watched) -> Leg:
    """What the observer saw, by revision."""
    observer, chain, before = watched.observer, watched.chain, watched.before
    statements, transactions = observer.observed()
    stamps = [stamp for one in statements if (stamp := read_stamp(one.sql)) is not None]
    ids = {name for stamp in stamps for name in (stamp.was, stamp.to) if name} | set(before)
    history = chain.history(ids)
    found = attribute(
        statements, transactions, history, Samples(observer.poll), observer.epoch * 1000,
        downgrade=watched.downgrade, at=before[0] if before else None,
    )  # fmt: skip
    placed = tuple(found.statements)
    return Leg(
        watched.ended, tuple(found.revisions), placed, named(transactions, placed), observer, history,
        frozenset(found.tables),
    )  # fmt: skip


def rehearse(
    server: Server,
    database: str,
    chain: Chain,
    *,
    source: str,
    begin: str | None,
    target: str,
    run: Callable[[Server, str, Chain, str], Leg] = run_leg,
) -> DryRun:
    """The whole chain on the copy `database`. begin: brought there first, unobserved. run: how a leg is run.

    Raises UsageError for a chain that cannot be aimed or is none of Alembic's.
    """
    check_aim(chain, begin, target)
    if begin is not None:
        bring(server, database, chain, begin)
    started = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    before = current_of(server, database)
    keys, columns = primary_keys(server, database), all_dependents(server, database)
    children = child_tables(server, database)
    leg = run(server, database, chain, target)
    _check_alembic(leg, chain, before, current_of(server, database))
    made = as_run(leg, server=server, source=source, command=chain.shown, started=started)
    keys |= primary_keys(server, database)
    schema = Schema(
        keys, of_retyped(made.statements, columns), tuple(sorted(children | child_tables(server, database)))
    )
    return replace(made, more=replace(made.more, schema=schema))


def check_aim(chain: Chain, begin: str | None, target: str) -> None:
    """Raises UsageError for a command that cannot be told where to stop, and for a history with several heads."""
    if not chain.aims and (begin is not None or target != "head"):
        raise UsageError(
            "--from, --to and --each need a command that can be told where to stop: write {revision} where it takes "
            "the revision"
        )
    if not chain.command and (chain.config or chain.script_location):
        heads = chain.history(set()).heads
        if len(heads) > 1 and target == "head":
            raise UsageError(
                f"the history has {len(heads)} heads ({', '.join(heads)}); name one with --to, or --to heads for all"
            )


def bring(server: Server, database: str, chain: Chain, begin: str) -> None:
    """Migrate to the revision `begin`, unobserved. Raises SubjectFailed when the database does not get there."""
    if not chain.aims:
        raise SubjectFailed("the command cannot be told where to stop: write {revision} where it takes the revision")
    ended = run_chain(chain, server.url(database), begin)
    if ended.status:
        raise SubjectFailed(f"the copy could not be brought to revision {begin}: {ended.complaint}")


def _check_alembic(leg: Leg, chain: Chain, before: list[str], after: list[str]) -> None:
    if leg.ended.status == 0 and not before and not after and not leg.revisions:
        raise UsageError(
            f"{chain.shown}: it ended well, but neither wrote an Alembic version table nor found one; is it the "
            "command that upgrades, and does it read its URL from {url}, DATABASE_URL or --url-env?"
        )


def as_run(leg: Leg, *, server: Server, source: str, command: str, started: str) -> DryRun:
    """A leg as the record of a whole run."""
    poll, epoch = leg.observer.poll, leg.observer.epoch * 1000
    end = max([one.finished_ms for one in leg.transactions], default=0.0)
    samples = Samples(poll)
    invalid = _invalid(poll.catalogues[-1]) - _invalid(poll.catalogues[0]) if poll.catalogues else set()
    return DryRun(
        server=server.label,
        source=source,
        command=command,
        started=started,
        duration_ms=leg.ended.seconds * 1000,
        revisions=leg.revisions,
        statements=leg.statements,
        transactions=leg.transactions,
        one_transaction=_in_one(leg),
        peak_bytes=samples.peak_between(epoch, epoch + end),
        wal_bytes=samples.wal_between(epoch, epoch + end),
        invalid_indexes=tuple(sorted(invalid)),
        exit_status=leg.ended.status,
        error=leg.error,
        notes=_notes(leg),
    )


def _invalid(catalogue: Catalogue) -> set[str]:
    return {one.full_name for one in catalogue.relations.values() if one.invalid}


def _in_one(leg: Leg) -> bool:
    """Whether all revisions ran in a single transaction."""
    done = [one.revision for one in leg.revisions]
    return len(done) > 1 and any(len(one.revisions) == len(set(done)) for one in leg.transactions)


def _notes(leg: Leg) -> tuple[str, ...]:
    notes = []
    if not leg.revisions and leg.error is None:
        notes.append("nothing to do: the copy is where the chain leads already")
    if leg.observer.poll.problem:
        notes.append(f"the poll ended early ({leg.observer.poll.problem}): CONCURRENTLY and VACUUM may lack locks")
    return tuple(notes)
