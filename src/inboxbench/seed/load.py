"""Fill a database: outline, blocks by worker processes, then keys and indexes, all or nothing."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql

from inboxbench.database import Connection, connect
from inboxbench.errors import InboxbenchError, ServerError, UsageError
from inboxbench.seed import bare, churn, work
from inboxbench.seed.catalogue import COLUMNS
from inboxbench.seed.checksum import table_checksum
from inboxbench.seed.dialogue import BLOCK, block_count
from inboxbench.seed.people import save_people
from inboxbench.seed.profile import Profile
from inboxbench.seed.rows import CONTACT_BLOCK
from inboxbench.seed.text import build_sentences, save_sentences
from inboxbench.seed.work import Done, Job, Task
from inboxbench.seed.world import World, build_world, save_arrays

# Heap, baseline indexes and the sort files of their build, for a message and its share of the other tables.
_BYTES_A_MESSAGE = 620
# Below this a second process costs more to start than it saves.
_SMALL = 100_000


@dataclass(frozen=True, slots=True)
class Step:
    """Progress: `stage` is rows (done and total count rows), keys or churn (they count statements)."""

    stage: str
    done: int
    total: int
    octets: int = 0


Progress = Callable[[Step], None]


def silent(step: Step) -> None:
    """The Progress of callers who want none."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load did. Seconds are wall time by stage; cpu is of the clients."""

    rows: dict[str, int]
    octets: dict[str, int]
    checksums: dict[str, str]
    seconds: dict[str, float]
    client_cpu: float
    server_cpu: float | None
    client_peak_mb: float
    workers: int


@dataclass(slots=True)
class _Tally:
    """Done blocks by table and number, whatever order they came in."""

    total_rows: int
    progress: Progress
    done: dict[str, dict[int, Done]] = field(default_factory=dict)
    rows: int = 0
    octets: int = 0

    def add(self, result: Done) -> None:
        self.done.setdefault(result.table, {})[result.number] = result
        self.rows += result.rows
        self.octets += result.octets
        self.progress(Step("rows", self.rows, self.total_rows, self.octets))

    def blocks(self, table: str) -> list[Done]:
        found = self.done.get(table, {})
        return [found[number] for number in sorted(found)]


class _Stopwatch:
    """Seconds by stage, in the order in which they end."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._begun = time.monotonic()

    def lap(self, stage: str) -> None:
        now = time.monotonic()
        self.seconds[stage], self._begun = now - self._begun, now


def _counted(stage: str, total: int, progress: Progress) -> Callable[[], None]:
    """A function that reports one more step of `stage` done at each call."""
    numbers = iter(range(1, total + 1))
    return lambda: progress(Step(stage, next(numbers), total))


def default_workers(profile: Profile) -> int:
    return 1 if profile.messages.count < _SMALL else len(os.sched_getaffinity(0))


def load(
    conninfo: str,
    profile: Profile,
    seed: int,
    *,
    schema: Path,
    vocabulary: Path,
    workers: int | None = None,
    slice_size: int = work.SLICE,
    fresh: bool = False,
    progress: Progress = silent,
) -> Loaded:
    """Create the schema of `schema` in an empty database and fill it; `fresh` leaves out the churn.

    Raises UsageError when the database holds tables already or the disk is too small, InboxbenchError when
    the load breaks. The database is then half-filled: its maker drops it (see dataset.py).
    """
    with connect(conninfo) as connection:
        check_empty(connection)
        check_disk(connection, profile)
        connection.execute(schema.read_text(encoding="utf-8"))
        parts = bare.strip(connection, _largest_first())
    count = workers or default_workers(profile)
    watch = _Stopwatch()
    with tempfile.TemporaryDirectory(prefix="inboxbench_seed_") as name:
        job = Job(Path(name), profile, seed, conninfo, slice_size)
        with runner(count, job) as each:
            world = outline(job.folder, profile, seed, vocabulary)
            watch.lap("outline")
            tally = _Tally(total_rows(world), progress)
            for result in each(outline_tasks(world)):
                tally.add(result)
            for result in each(window_tasks(world, tally.blocks("conversations"))):
                tally.add(result)
    watch.lap("rows")
    _finish(conninfo, parts, progress)
    watch.lap("keys")
    if not fresh:
        churn.run_churn(conninfo, profile.churn, _counted("churn", churn.steps(profile.churn), progress))
        watch.lap("churn")
    return _summary(tally, count, watch.seconds)


def _largest_first() -> list[str]:
    return list(reversed(COLUMNS))


def check_empty(connection: Connection) -> None:
    row = connection.execute(
        "SELECT count(*), min(relname) FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm') "
        "AND relnamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname ~ '^pg_|^information_schema$')"
    ).fetchone()
    if row and row[0]:
        raise UsageError(
            f"database {connection.info.dbname!r} is not empty: it holds {row[0]} tables or views "
            f"({row[1]} …); seed a new one"
        )


def needed_bytes(profile: Profile) -> int:
    return profile.messages.count * _BYTES_A_MESSAGE + (64 << 20)


def check_disk(connection: Connection, profile: Profile) -> None:
    """Where the server's data directory can be seen from here. Raises UsageError when it is too full."""
    try:
        row = connection.execute("SHOW data_directory").fetchone()
    except psycopg.errors.InsufficientPrivilege:
        return
    local = (connection.info.host or "").startswith("/")
    if not row or not local or not Path(row[0]).is_dir():
        return
    free, needed = shutil.disk_usage(row[0]).free, needed_bytes(profile)
    if free < needed:
        raise UsageError(
            f"profile {profile.name!r} with {profile.messages.count} messages needs about "
            f"{needed / 1e9:.1f} GB under {row[0]}, and {free / 1e9:.1f} GB are free; use a smaller --scale"
        )


def outline(folder: Path, profile: Profile, seed: int, vocabulary: Path) -> World:
    """Build what all blocks share and leave it in `folder` for the workers."""
    world = build_world(profile, seed)
    save_arrays(folder, world)
    save_people(folder)
    save_sentences(folder, build_sentences(profile.text, vocabulary, seed))
    return world


def total_rows(world: World) -> int:
    owners = world.owners
    small = len(owners.created) + len(owners.users.account) + len(owners.inboxes.account)
    contacts, conversations = len(world.contacts.account), len(world.conversations.start)
    return small + len(owners.member_user) + contacts + conversations + int(world.conversations.messages.sum())


def outline_tasks(world: World) -> list[Task]:
    """Everything but messages. Conversations come first: their blocks prepare the windows."""
    conversations = block_count(len(world.conversations.start))
    contacts = -(-len(world.contacts.account) // CONTACT_BLOCK)
    return [
        *(Task("conversations", number) for number in range(conversations)),
        *(Task("contacts", number) for number in range(contacts)),
        *(Task(table) for table in ("accounts", "users", "inboxes", "inbox_members")),
    ]


def window_tasks(world: World, blocks: Iterable[Done]) -> list[Task]:
    """A task for each window of time: the runs of keys that the conversation blocks left for it."""
    first_message = world.conversations.first_message
    runs: dict[int, list[tuple[int, int]]] = {}
    for number, block in enumerate(blocks):
        place = int(first_message[number * BLOCK])
        first_window, counts = block.windows
        for window, count in enumerate(counts, first_window):
            if count:
                runs.setdefault(window, []).append((place, count))
                place += count
    tasks, first_id = [], 1
    for window in sorted(runs):
        tasks.append(Task("messages", window, first_id, tuple(runs[window])))
        first_id += sum(count for _, count in runs[window])
    return tasks


Each = Callable[[list[Task]], Iterator[Done]]


@contextmanager
def runner(workers: int, job: Job) -> Iterator[Each]:
    """A function that does tasks, in this process or in several, and yields them as they are done."""
    if workers == 1:
        with closing(work.Bench(job)) as bench:
            yield lambda tasks: map(bench.run, tasks)
        return
    pool = ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=work.start,
        initargs=(job,),
    )
    try:
        for _ in range(workers):  # they start and import while the outline is made
            pool.submit(work.warm)
        yield lambda tasks: _results(pool, tasks, workers)
    except BaseException:
        _abandon(pool)
        raise
    else:
        pool.shutdown()


def _results(pool: ProcessPoolExecutor, tasks: list[Task], workers: int) -> Iterator[Done]:
    """In order of completion; few tasks wait in the queue, so that rows keep nearly their order of arrival."""
    waiting: set[Future[Done]] = set()
    left = iter(tasks)
    try:
        for task in left:
            waiting.add(pool.submit(work.run, task))
            if len(waiting) > workers:
                finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in finished)
        while waiting:
            finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in finished)
    except BrokenProcessPool:
        raise InboxbenchError(
            "a seeding worker died (out of memory, or killed); the load is abandoned, nothing of it remains"
        ) from None
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise ServerError(f"the connection to the server was lost while loading: {_line(error)}") from None


def _line(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0]


def _abandon(pool: ProcessPoolExecutor) -> None:
    """End the workers now: what they are sending is going to be dropped."""
    processes = list((pool._processes or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(5)


def _finish(conninfo: str, parts: bare.Parts, progress: Progress) -> None:
    tables = _largest_first()
    advance = _counted("keys", bare.steps(parts, tables), progress)
    with connect(conninfo) as connection:
        for table in tables:
            if "id" in COLUMNS[table]:
                _advance_sequence(connection, table)
    bare.restore(conninfo, parts, tables, advance)


def _advance_sequence(connection: Connection, table: str) -> None:
    connection.execute(
        sql.SQL("SELECT setval(pg_get_serial_sequence({}, 'id'), (SELECT coalesce(max(id), 1) FROM {}))").format(
            sql.Literal(table), sql.Identifier(table)
        )
    )


def _summary(tally: _Tally, workers: int, seconds: dict[str, float]) -> Loaded:
    blocks = {table: tally.blocks(table) for table in COLUMNS}
    everything = [block for done in blocks.values() for block in done]
    server_cpu = [block.server_cpu for block in everything if block.server_cpu is not None]
    return Loaded(
        rows={table: sum(b.rows for b in done) for table, done in blocks.items()},
        octets={table: sum(b.octets for b in done) for table, done in blocks.items()},
        checksums={table: table_checksum(b.checksum for b in done) for table, done in blocks.items()},
        seconds=seconds,
        client_cpu=sum(block.cpu for block in everything),
        server_cpu=sum(server_cpu) if server_cpu else None,
        client_peak_mb=round(max(block.peak_mb for block in everything)),
        workers=workers,
    )
