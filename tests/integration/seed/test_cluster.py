"""Loads by Dask workers: the same rows as one process makes, each of them once, whoever dies meanwhile."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
import pytest

from inboxbench.database import Connection, connect, list_databases, scratch_database
from inboxbench.errors import InboxbenchError, ServerError, UsageError
from inboxbench.project import Project
from inboxbench.seed import Dataset, Step, load_profile, scaled, seed_into
from inboxbench.seed.catalogue import LAYOUTS
from inboxbench.seed.cluster import Cluster
from inboxbench.seed.job import Job, Task
from inboxbench.seed.ledger import Ledger, pieces_of
from inboxbench.seed.load import silent
from inboxbench.seed.plan import outline
from inboxbench.seed.station import Order, Station
from inboxbench.server import Server

# Several blocks of conversations, so that windows of messages need what other workers left.
MESSAGES = 160_000
TABLES = tuple(LAYOUTS["head"].columns)


@dataclass(frozen=True)
class Stored:
    """What a load says it sent, and what the server has: rows, ids and a hash of all rows for each table."""

    dataset: Dataset
    contents: dict[str, tuple[object, ...]]


def contents(connection: Connection) -> dict[str, tuple[object, ...]]:
    found = {}
    for table in TABLES:
        key = {"inbox_members": "(inbox_id, user_id)", "conversation_counters": "account_id"}.get(table, "id")
        query = f"SELECT count(*), count(DISTINCT {key}), sum(hashtextextended(t::text, 0)) FROM {table} t"
        row = connection.execute(query).fetchone()  # type: ignore[call-overload]
        assert row is not None
        found[table] = row
    return found


def seeded(
    server: Server, project: Project, workers: int | Cluster, progress: Callable[[Step], None] = silent
) -> Stored:
    """At head, where the most tables are; made, read and dropped."""
    with scratch_database(server, "dask") as name:
        dataset = seed_into(
            server, name, "tiny", 21, messages=MESSAGES, workers=workers, at="head", fresh=True,
            progress=progress, project=project,
        )  # fmt: skip
        with connect(server.conninfo(name)) as connection:
            assert ledgers(connection) == 0
            return Stored(dataset, contents(connection))


def ledgers(connection: Connection) -> int:
    row = connection.execute("SELECT count(*) FROM pg_class WHERE relname LIKE 'inboxbench%'").fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture(scope="module")
def single(server: Server, project: Project) -> Stored:
    return seeded(server, project, 1)


def same(found: Stored, single: Stored) -> None:
    assert found.dataset.checksums == single.dataset.checksums
    assert found.dataset.rows == single.dataset.rows
    assert found.contents == single.contents
    for table, (rows, keys, _) in found.contents.items():
        assert rows == keys == single.dataset.rows[table], table


def test_two_workers_load_what_one_process_does(server: Server, project: Project, single: Stored) -> None:
    found = seeded(server, project, Cluster(None, 2))
    same(found, single)
    assert found.dataset.workers == 2
    assert found.dataset.client_peak_mb < 300
    assert dask_processes() == []


def dask_processes() -> list[psutil.Process]:
    """Worker processes of local clusters that we have started."""
    return [child for child in psutil.Process().children() if "--multiprocessing-fork" in child.cmdline()]


class Killer:
    """Progress that kills a worker while it has a block of messages half done, once."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.outstanding: str | None = None  # the block that the killed worker was loading
        self.rows_done = 0

    def __call__(self, step: Step) -> None:
        if self.outstanding is None and step.stage == "rows" and step.done > step.total / 3:
            self.rows_done = step.done
            self._kill()

    def _kill(self) -> None:
        """Stop each worker in turn until one is found to be in the middle of a block, and kill that one."""
        for process in dask_processes():
            process.suspend()
            if held := self._held():
                process.kill()
                process.wait(10)
                self.outstanding = held
                return
            process.resume()

    def _held(self) -> str | None:
        """The block of a session whose transaction does not end: live workers finish theirs meanwhile."""
        deadline = time.monotonic() + 1.5
        with connect(self._server.conninfo()) as connection:
            before = self._busy(connection)
            while before and time.monotonic() < deadline:
                time.sleep(0.1)
                before &= self._busy(connection)
        return min(before)[1] if before else None

    def _busy(self, connection: Connection) -> set[tuple[str, str]]:
        rows = connection.execute(
            "SELECT pid || '@' || xact_start, application_name FROM pg_stat_activity "
            "WHERE application_name LIKE 'inboxbench % messages %' AND xact_start IS NOT NULL"
        ).fetchall()
        return {(str(transaction), str(name)) for transaction, name in rows}


def test_a_killed_worker_is_replaced_and_no_row_is_there_twice(
    server: Server, project: Project, single: Stored
) -> None:
    killer = Killer(server)
    found = seeded(server, project, Cluster(None, 4), killer)
    assert killer.outstanding is not None, "no worker was killed in the middle of a block"
    assert killer.rows_done < sum(found.dataset.rows.values())
    same(found, single)
    assert found.dataset.workers == 4


# --- a scheduler and workers of somebody else -----------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def started(*command: str, folder: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "dask", *command],
        cwd=folder,
        stderr=(folder / "dask.log").open("ab"),
        env={**os.environ, "TMPDIR": str(folder), **environment},
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port, folder = free_port(), tmp_path_factory.mktemp("scheduler")
    with started("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard", folder=folder):
        yield f"tcp://127.0.0.1:{port}"


@contextmanager
def a_worker(scheduler: str, folder: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    options = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", str(folder)]
    with started("worker", scheduler, *options, folder=folder, **environment) as process:
        yield process


def left_by_workers(folder: Path) -> list[Path]:
    return list(folder.glob("dask-scratch-space/*/inboxbench_*"))


def test_workers_of_a_scheduler_load_and_tidy_up(
    server: Server, project: Project, single: Stored, scheduler: str, tmp_path: Path
) -> None:
    seen = []
    with a_worker(scheduler, tmp_path) as process:
        found = seeded(server, project, Cluster(scheduler), lambda _: seen.extend(left_by_workers(tmp_path)))
        assert process.poll() is None
        assert seen
        assert left_by_workers(tmp_path) == []
    same(found, single)
    assert "password" not in (tmp_path / "dask.log").read_text(encoding="utf-8")


def databases(server: Server) -> set[str]:
    return {info.name for info in list_databases(server)}


def refused(server: Server, project: Project, cluster: Cluster, progress: Callable[[Step], None] = silent) -> str:
    """The one line of a load into a new database that fails; nothing of it is left."""
    before = databases(server)
    with pytest.raises(InboxbenchError) as caught:
        seed_into(
            server, "inboxbench_refused", "tiny", 1, messages=MESSAGES, workers=cluster,
            progress=progress, project=project,
        )  # fmt: skip
    assert databases(server) == before
    assert "\n" not in str(caught.value)
    return f"{caught.value.exit_code} {caught.value}"


def test_the_last_worker_dies(
    server: Server, project: Project, scheduler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inboxbench.seed.team._PATIENCE_S", 10)
    with a_worker(scheduler, tmp_path) as process:

        def kill(step: Step) -> None:
            if step.done > step.total / 3:
                process.kill()
                monkeypatch.setattr("inboxbench.seed.team._PATIENCE_S", 1)

        said = refused(server, project, Cluster(scheduler), kill)
    assert (
        said
        == f"3 the Dask scheduler {scheduler} has lost all its workers; the load is abandoned, nothing of it remains"
    )


def test_a_worker_of_another_version(server: Server, project: Project, scheduler: str, tmp_path: Path) -> None:
    older = tmp_path / "older" / "inboxbench-0.0.9.dist-info"
    older.mkdir(parents=True)
    (older / "METADATA").write_text("Metadata-Version: 2.1\nName: inboxbench\nVersion: 0.0.9\n", encoding="utf-8")
    with a_worker(scheduler, tmp_path, PYTHONPATH=str(older.parent)):
        said = refused(server, project, Cluster(scheduler))
    assert said.startswith("2 Dask worker tcp://127.0.0.1:")
    assert said.endswith("has inboxbench 0.0.9, this is 0.1.0; install there: pip install 'inboxbench[cluster]==0.1.0'")


def test_a_scheduler_without_workers(
    server: Server, project: Project, scheduler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inboxbench.seed.team._PATIENCE_S", 1)
    said = refused(server, project, Cluster(scheduler))
    assert said == f"2 the Dask scheduler {scheduler} has no workers; start some: dask worker {scheduler} --nthreads 1"


def test_a_scheduler_that_is_not_there(server: Server, project: Project) -> None:
    address = f"tcp://127.0.0.1:{free_port()}"
    said = refused(server, project, Cluster(address))
    assert said.startswith(f"2 no Dask scheduler answers at {address}: ")


# --- two workers with one block -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stage:
    """An empty database with a ledger, as workers find it, and what they would be told."""

    order: Order
    ledger: Ledger
    folder: Path

    def count(self) -> int:
        with connect(self.order.conninfo) as connection:
            row = connection.execute("SELECT count(*) FROM conversations").fetchone()
        assert row is not None
        return int(row[0])

    @contextmanager
    def station(self) -> Iterator[Station]:
        opened = Station(self.order, self.folder)
        try:
            yield opened
        finally:
            opened.close()


@pytest.fixture
def stage(server: Server, project: Project, tmp_path: Path) -> Iterator[Stage]:
    profile, layout, shared = scaled(load_profile(project.seeds, "tiny"), messages=10_000), LAYOUTS["baseline"], "ab12"
    with scratch_database(server, "ledger") as name:
        conninfo, ledger = server.conninfo(name), Ledger(shared)
        folder = tmp_path / "job"
        folder.mkdir()
        outline(Job(folder, profile, 1, layout, conninfo), project.seeds / "vocabulary")
        with connect(conninfo) as connection:
            connection.execute((project.schema / layout.schema).read_bytes())
            connection.execute("SET session_replication_role = replica")
            connection.execute("ALTER TABLE conversations DROP CONSTRAINT conversations_pkey CASCADE")
            for table in ("conversations",):
                connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
            ledger.create(connection)
            ledger.put(connection, pieces_of(folder))
        yield Stage(Order(shared, profile, 1, layout, 4096, "0.1.0", conninfo), ledger, tmp_path)


BLOCK = Task("conversations", 0)


def test_a_block_that_is_loaded_is_not_loaded_again(stage: Stage) -> None:
    with stage.station() as first, stage.station() as second:
        done = first.perform(BLOCK)
        assert second.perform(BLOCK) == done
    assert stage.count() == done.rows


def test_a_retry_waits_for_the_worker_that_was_thought_lost(stage: Stage) -> None:
    """The lost one rolls back, so the retry loads; had it committed, the retry would have found its row."""
    with stage.station() as retry, connect(stage.order.conninfo, autocommit=False) as lost:
        stage.ledger.name_session(lost, BLOCK)
        assert stage.ledger.claim(lost, BLOCK)
        thread = threading.Thread(target=retry.perform, args=(BLOCK,))
        thread.start()
        thread.join(0.5)
        assert thread.is_alive()
        lost.rollback()
        thread.join(30)
        assert retry.perform(BLOCK).rows == stage.count() > 0


def test_a_worker_that_stopped_halfway_is_cut_off(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inboxbench.seed.ledger._PATIENCE", "200ms")
    with stage.station() as retry, connect(stage.order.conninfo, autocommit=False) as stopped:
        stage.ledger.name_session(stopped, BLOCK)
        assert stage.ledger.claim(stopped, BLOCK)
        assert retry.perform(BLOCK).rows == stage.count() > 0
        with pytest.raises(psycopg.OperationalError):
            stopped.execute("SELECT 1")


def test_nobody_loads_once_the_ledger_is_closed(stage: Stage) -> None:
    with stage.station() as late:
        with connect(stage.order.conninfo) as connection:
            stage.ledger.drop(connection)
        with pytest.raises(psycopg.OperationalError):
            late.perform(BLOCK)
    with pytest.raises(psycopg.errors.UndefinedTable), stage.station() as late:
        late.perform(BLOCK)
    assert stage.count() == 0


# --- the command ----------------------------------------------------------------------------------------------


def test_ctrl_c_ends_the_workers_and_leaves_nothing(server: Server, tmp_path: Path) -> None:
    before = databases(server)
    process = subprocess.Popen(
        [sys.executable, "-m", "inboxbench", "seed", "tiny", "--messages", "4e5", "--seed", "22", "--fresh",
         "--dask", "local:2", "--server", server.url("postgres")],
        stderr=subprocess.PIPE, start_new_session=True, text=True, env={**os.environ, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    children = _once_loading(server, process.pid)
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stderr.splitlines()[-1].startswith("inboxbench: error: interrupted; everything")
    assert "Traceback" not in stderr
    assert psutil.wait_procs(children, 10)[1] == []
    assert list(tmp_path.iterdir()) == []
    assert databases(server) == before


def _once_loading(server: Server, pid: int) -> list[psutil.Process]:
    """All processes of the command, when a worker of it has a block."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'inboxbench % messages %'"
    deadline = time.monotonic() + 120
    with connect(server.conninfo()) as connection:
        while connection.execute(query).fetchone() == (0,):
            assert time.monotonic() < deadline, "the load did not begin"
            time.sleep(0.05)
    return psutil.Process(pid).children(recursive=True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--dask", "local:2", "--workers", "2"], "--dask brings its own workers, on several machines; leave out"),
        (["--dask", "8786"], "unknown Dask cluster '8786'; accepted: tcp://HOST:PORT of a scheduler, local:N"),
    ],
)
def test_wrong_options(options: list[str], said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "inboxbench", "seed", "tiny", *options], check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert said in done.stderr


def test_without_the_extra_one_line_says_what_to_install() -> None:
    code = "import sys; sys.modules['distributed'] = None; from inboxbench.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "seed", "tiny", "--dask", "local:2"], check=False, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr == (
        "inboxbench: error: --dask needs Dask, which is not installed; run: pip install 'inboxbench[cluster]'\n"
    )


def test_a_lost_server_is_said_in_one_line(server: Server, project: Project) -> None:
    def cut(step: Step) -> None:
        if step.stage == "rows":
            with connect(server.conninfo()) as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'inboxbench %'"
                )

    said = refused(server, project, Cluster(None, 2), cut)
    assert said.startswith("2 the connection to the server was lost while loading: ")
