"""P2.2: a page of the operator's list four ways: statements, pages, rows and time; the N+1 query seen to grow."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from statistics import median
from typing import Any

from sqlalchemy import create_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from inboxbench.bench.execute.session import lab_session
from inboxbench.counting import count_statements
from inboxbench.database import Connection
from inboxbench.errors import SubjectFailed, ThresholdExceeded, UsageError
from inboxbench.explain import Tracer
from inboxbench.messenger.app.page import READERS, Listing, Row, read_page
from inboxbench.server import Server

SCHEMA_VERSION = 1
TIMEOUT_S = 60.0
WAYS = ("lateral", *READERS)
# Statements of a page of any size, at most. The lazy way has no such figure: that is what is wrong with it.
CONSTANT: Mapping[str, int] = {"lateral": 1, "joined": 1, "selectin": 6}

_ACCOUNTS = """
    SELECT account_id, count(*) FROM conversations WHERE status = 'open' GROUP BY 1 HAVING count(*) >= %s
    ORDER BY 2 DESC, 1
"""
Read = Callable[[Listing], list[Row]]
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class PageCost:
    """One page by one way. rows: that the server sent for it; buffers and server_ms: of all its statements (None: the
    role may not load auto_explain); client_ms: median, from the call to the last row as an object."""

    way: str
    account: int
    size: int
    statements: int
    rows: int | None
    buffers: int | None
    server_ms: float | None
    client_ms: float


@dataclass(frozen=True, slots=True)
class Pages:
    """accounts: id → open conversations of those that were read."""

    server: str
    accounts: Mapping[int, int]
    costs: tuple[PageCost, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "schema_version": SCHEMA_VERSION,
            "server": self.server,
            "accounts": [{"id": account, "open": count} for account, count in self.accounts.items()],
            "pages": [asdict(cost) for cost in self.costs],
        }

    def statements(self, way: str) -> list[int]:
        return [cost.statements for cost in self.costs if cost.way == way]

    def require_constant(self) -> None:
        """Raises ThresholdExceeded when a way that is to take a constant number of statements takes more."""
        for way, most in CONSTANT.items():
            if (worst := max(self.statements(way))) > most:
                raise ThresholdExceeded(f"a page by {way!r} takes {worst} statements, at most {most} whatever its size")


def run_pages(
    server: Server,
    database: str,
    *,
    sizes: Sequence[int] = (25, 100),
    rounds: int = 15,
    progress: Progress | None = None,
) -> Pages:
    """Read by every way and size the largest account and for the smallest that fills a page, as far as it has the rows.

    Raises UsageError when no account has as many open conversations, SubjectFailed when two ways give other rows.
    """
    with lab_session(server, database, timeout_s=TIMEOUT_S) as connection:
        accounts = _accounts(connection, sizes)
        listings = [
            Listing(account, size=size) for account, count in accounts.items() for size in sizes if size <= count
        ]
        costs: list[PageCost] = []
        with _readers(connection) as readers:
            tracer = Tracer(connection)
            for done, listing in enumerate(listings):
                if progress:
                    progress(done, len(listings), f"pages of {listing.size}, account {listing.account_id}")
                costs += _costs(connection, tracer, readers, listing, rounds)
    return Pages(server.label, accounts, tuple(costs))


def _accounts(connection: Connection, sizes: Sequence[int]) -> dict[int, int]:
    found = {int(account): int(count) for account, count in connection.execute(_ACCOUNTS, (min(sizes),))}
    if not found or max(found.values()) < max(sizes):
        raise UsageError(
            f"no account has {max(sizes)} open conversations to fill a page; take a larger profile or less --sizes"
        )
    return {account: found[account] for account in (next(iter(found)), list(found)[-1])}


@contextmanager
def _readers(connection: Connection) -> Iterator[Mapping[str, Read]]:
    """Yield the readers, all on one connection: SQLAlchemy's pool holds this one and no other."""
    engine = create_engine("postgresql+psycopg://", creator=lambda: connection, poolclass=StaticPool)

    def by_orm(reader: Callable[[Session, Listing], list[Row]], listing: Listing) -> list[Row]:
        with Session(engine) as session:  # one that knows nothing yet, as for each request
            return reader(session, listing)

    orm = {name: partial(by_orm, reader) for name, reader in READERS.items()}
    yield {"lateral": partial(read_page, connection), **orm}


def _costs(
    connection: Connection, tracer: Tracer, readers: Mapping[str, Read], listing: Listing, rounds: int
) -> Iterator[PageCost]:
    expected = readers["lateral"](listing)
    for way, read in readers.items():
        if read(listing) != expected:
            raise SubjectFailed(f"a page of {listing.size} of account {listing.account_id} by {way!r} has other rows")
        cost = _counted(connection, tracer, partial(read, listing), way, listing)
        yield replace(cost, client_ms=_clocked(partial(read, listing), rounds))


def _counted(
    connection: Connection, tracer: Tracer, read: Callable[[], list[Row]], way: str, listing: Listing
) -> PageCost:
    with tracer.traced() as plans, count_statements(connection) as counted:
        read()
    cost = PageCost(way, listing.account_id, listing.size, len(counted.sent), None, None, None, 0.0)
    if not tracer.able:
        return cost
    return replace(
        cost,
        rows=sum(plan.rows for plan in plans),
        buffers=sum(plan.buffers for plan in plans),
        server_ms=round(sum(plan.execution_ms for plan in plans), 3),
    )


def _clocked(read: Callable[[], object], rounds: int) -> float:
    """Median milliseconds of a call."""
    taken = []
    for _ in range(rounds):
        begun = time.perf_counter()
        read()
        taken.append(time.perf_counter() - begun)
    return round(median(taken) * 1000, 3)
