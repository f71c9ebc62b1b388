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
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from tests.conftest import Database

from inboxbench.cli import application
from inboxbench.database import Connection, connect, list_databases, scratch_database
from inboxbench.errors import InboxbenchError, UsageError
from inboxbench.messenger.data import ROW_SOURCE
from inboxbench.project import Project
from inboxbench.seed import Dataset, Step, read_profile, scaled, seed_into
from inboxbench.seed.dask.block_registry import BlockRegistry, pieces_of
from inboxbench.seed.dask.option import Cluster, cluster_pool
from inboxbench.seed.dask.worker import Loader, Order
from inboxbench.seed.load.process_pool import WorkerPool, local_pool
from inboxbench.seed.load.run import create_tables, silent
from inboxbench.seed.row_source import Done, Job, Task, row_source_name
from inboxbench.server import Server

# Several blocks of conversations, so that windows of messages need what other workers left.
MESSAGES = 100_000
BASELINE, HEAD = ROW_SOURCE.layouts["baseline"], ROW_SOURCE.layouts["head"]


@dataclass(frozen=True)
class Stored:
    """What a load says it sent, and what the server has: rows, ids and a hash of all rows for each table."""

    dataset: Dataset
    contents: dict[str, tuple[object, ...]]


def contents(connection: Connection) -> dict[str, tuple[object, ...]]:
    found = {}
    for table in BASELINE.columns:
        key = "(inbox_id, user_id)" if table == "inbox_members" else "id"
        query = f"SELECT count(*), count(DISTINCT {key}), sum(hashtextextended(t::text, 0)) FROM {table} t"
        row = connection.execute(query).fetchone()
        assert row is not None
        found[table] = row
    return found


def filled(
    server: Server, name: str, project: Project, workers: int | Cluster, progress: Callable[[Step], None] = silent
) -> Stored:
    dataset = seed_into(
        server, name, "tiny", 21, size=MESSAGES, workers=workers, fresh=True, progress=progress, project=project
    )
    with connect(server.conninfo(name)) as connection:
        assert registries(connection) == 0
        return Stored(dataset, contents(connection))


def registries(connection: Connection) -> int:
    row = connection.execute("SELECT count(*) FROM pg_class WHERE relname LIKE 'inboxbench%'").fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture(scope="module")
def single(server: Server, project: Project) -> Stored:
    with scratch_database(server, "single") as name:
        return filled(server, name, project, 1)


def same(found: Stored, single: Stored) -> None:
    assert found.dataset.checksums == single.dataset.checksums
    assert found.dataset.rows == single.dataset.rows
    assert found.contents == single.contents
    for table, (rows, keys, _) in found.contents.items():
        assert rows == keys == single.dataset.rows[table], table


def test_two_workers_load_what_one_process_does(
    server: Server, project: Project, single: Stored, database: Database
) -> None:
    found = filled(server, database.name, project, Cluster(None, 2))
    same(found, single)
    assert found.dataset.workers == 2
    assert found.dataset.client_peak_mb < 300
    assert dask_processes() == []


def dask_processes() -> list[psutil.Process]:
    """Worker processes of local clusters that we have started."""
    return [child for child in psutil.Process().children() if "--multiprocessing-fork" in child.cmdline()]


class Killer:
    """Progress that kills a worker while each of them is in the middle of a block of messages.

    It holds the workers there by a lock on the table, which they meet after they have claimed their blocks.
    """

    def __init__(self, server: Server, database: str, workers: int) -> None:
        self._server, self._database, self._workers = server, database, workers
        self._thread: threading.Thread | None = None
        self.outstanding: list[str] = []  # the blocks of all workers when one was killed

    def __call__(self, step: Step) -> None:
        if self._thread is None and step.stage == "rows":
            lock = connect(self._server.conninfo(self._database), autocommit=False)
            lock.execute("LOCK TABLE messages IN ACCESS EXCLUSIVE MODE")
            self._thread = threading.Thread(target=self._kill, args=(lock,))
            self._thread.start()

    def _kill(self, lock: Connection) -> None:
        with lock, connect(self._server.conninfo()) as watch:
            deadline = time.monotonic() + 60
            while len(blocks := self._waiting(watch)) < self._workers and time.monotonic() < deadline:
                time.sleep(0.05)
            victim, *others = dask_processes()
            if len(blocks) == self._workers == len(others) + 1:
                self.outstanding = blocks
                victim.kill()
                victim.wait(10)

    def _waiting(self, watch: Connection) -> list[str]:
        rows = watch.execute(
            "SELECT application_name FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock' "
            "AND application_name LIKE 'inboxbench %% messages %%'",
            (self._database,),
        ).fetchall()
        return [str(name) for (name,) in rows]

    def join(self) -> None:
        if self._thread is not None:
            self._thread.join()


def test_a_killed_worker_is_replaced_and_no_row_is_there_twice(
    server: Server, project: Project, single: Stored
) -> None:
    with scratch_database(server, "dask") as name:
        killer = Killer(server, name, 4)
        found = filled(server, name, project, Cluster(None, 4), killer)
        killer.join()
    assert len(set(killer.outstanding)) == 4, "no worker was killed in the middle of a block"
    same(found, single)
    assert found.dataset.workers == 4


# --- a scheduler and workers of somebody else -----------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def started(*command: str, folder: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "dask.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *command],
            cwd=folder,
            stderr=log,
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
    with started(
        "scheduler", "--host", "127.0.0.1", "--port", str(port), "--dashboard-address", "127.0.0.1:0", folder=folder
    ):
        _once_listening(port)
        yield f"tcp://127.0.0.1:{port}"


def _once_listening(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise AssertionError("the scheduler did not start")


@contextmanager
def a_worker(scheduler: str, folder: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    options = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", str(folder)]
    with started("worker", scheduler, *options, folder=folder, **environment) as process:
        yield process


def left_by_workers(folder: Path) -> list[Path]:
    return list(folder.glob("dask-scratch-space/*/inboxbench_*"))


Blocks = dict[tuple[str, int], tuple[int, int]]


def blocks_of(job: Job, pool: WorkerPool, seeds: Path) -> Blocks:
    """Rows and checksum of every block, as load() has them made; keys and indexes are not what this is about."""
    done: list[Done] = []
    for phase in ROW_SOURCE.plan(job, seeds).phases:
        talks = sorted((block for block in done if block.table == "conversations"), key=lambda block: block.number)
        done += pool.run(phase({"conversations": talks}))
    return {(block.table, block.number): (block.rows, block.checksum) for block in done}


def test_workers_of_a_scheduler_load_at_head_and_tidy_up(
    database: Database, project: Project, scheduler: str, tmp_path: Path
) -> None:
    """They have a folder of their own, as on another machine, and the database."""
    (tmp_path / "job").mkdir()
    profile = scaled(ROW_SOURCE, read_profile(ROW_SOURCE, project.seeds, "tiny"), size=MESSAGES)
    job = Job(tmp_path / "job", row_source_name(project), profile, 21, HEAD, database.conninfo)
    with local_pool(1, replace(job, conninfo=None)) as pool:
        expected = blocks_of(job, pool, project.seeds)
    with database.connect() as connection:
        create_tables(connection, project.schema, HEAD)
    for left in (tmp_path / "job").iterdir():
        left.unlink()
    with a_worker(scheduler, tmp_path) as process:
        with cluster_pool(Cluster(scheduler), job) as pool:
            assert blocks_of(job, pool, project.seeds) == expected
            assert len(left_by_workers(tmp_path)) == 1
        assert process.poll() is None
        assert left_by_workers(tmp_path) == []
    with database.connect() as connection:
        assert registries(connection) == 0
        for table in HEAD.columns:
            rows = sum(rows for (name, _), (rows, _) in expected.items() if name == table)
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (rows,), table
    assert not {"messages.keys", "conversations.state"} & {path.name for path in (tmp_path / "job").iterdir()}


def databases(server: Server) -> set[str]:
    return {info.name for info in list_databases(server)}


def refused(server: Server, project: Project, cluster: Cluster, progress: Callable[[Step], None] = silent) -> str:
    """The one line of a load into a new database that fails; nothing of it is left."""
    before = databases(server)
    with pytest.raises(InboxbenchError) as caught:
        seed_into(
            server, "inboxbench_refused", "tiny", 1, size=MESSAGES, workers=cluster,
            progress=progress, project=project,
        )  # fmt: skip
    assert databases(server) == before
    assert "\n" not in str(caught.value)
    return f"{caught.value.exit_code} {caught.value}"


def test_the_last_worker_dies(
    server: Server, project: Project, scheduler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inboxbench.seed.dask.dispatcher._PATIENCE_S", 10)
    with a_worker(scheduler, tmp_path) as process:

        def kill(step: Step) -> None:
            if step.done > step.total / 3:
                process.kill()
                monkeypatch.setattr("inboxbench.seed.dask.dispatcher._PATIENCE_S", 1)

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
    monkeypatch.setattr("inboxbench.seed.dask.dispatcher._PATIENCE_S", 1)
    said = refused(server, project, Cluster(scheduler))
    assert said == f"2 the Dask scheduler {scheduler} has no workers; start some: dask worker {scheduler} --nthreads 1"


def test_a_scheduler_that_is_not_there(server: Server, project: Project) -> None:
    address = f"tcp://127.0.0.1:{free_port()}"
    said = refused(server, project, Cluster(address))
    assert said.startswith(f"2 no Dask scheduler answers at {address}: ")


def test_a_lost_server_is_said_in_one_line_without_a_password(
    server: Server, project: Project, scheduler: str, tmp_path: Path
) -> None:
    def cut(step: Step) -> None:
        if step.stage == "rows":
            with connect(server.conninfo()) as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'inboxbench %'"
                )

    secret = replace(server, base=make_conninfo(server.base, password="hunter2"))
    with a_worker(scheduler, tmp_path):
        said = refused(secret, project, Cluster(scheduler), cut)
    assert said.startswith("2 the connection to the server was lost while loading: ")
    log = (tmp_path / "dask.log").read_text(encoding="utf-8")
    assert "Compute Failed" in log
    assert "hunter2" not in log


# --- two workers with one block -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stage:
    """An empty database with a block registry, as workers find it, and the order that they would get."""

    order: Order
    registry: BlockRegistry
    folder: Path

    def count(self) -> int:
        with connect(self.order.conninfo) as connection:
            row = connection.execute("SELECT count(*) FROM conversations").fetchone()
        assert row is not None
        return int(row[0])

    @contextmanager
    def loader(self) -> Iterator[Loader]:
        opened = Loader(self.order, self.folder)
        try:
            yield opened
        finally:
            opened.close()


@pytest.fixture
def stage(server: Server, project: Project, tmp_path: Path) -> Iterator[Stage]:
    profile = scaled(ROW_SOURCE, read_profile(ROW_SOURCE, project.seeds, "tiny"), size=10_000)
    with scratch_database(server, "registry") as name:
        conninfo, registry = server.conninfo(name), BlockRegistry("ab12")
        folder = tmp_path / "job"
        folder.mkdir()
        job = Job(folder, row_source_name(project), profile, 1, BASELINE, conninfo, 4096)
        ROW_SOURCE.plan(job, project.seeds)
        with connect(conninfo) as connection:
            create_tables(connection, project.schema, BASELINE)
            registry.create(connection)
            registry.put(connection, pieces_of(folder), shared=True)
        yield Stage(Order.of(job, "ab12", "0.1.0"), registry, tmp_path)


BLOCK = Task("conversations", 0)


def test_a_block_that_is_loaded_is_not_loaded_again(stage: Stage) -> None:
    with stage.loader() as first, stage.loader() as second:
        done = first.perform(BLOCK)
        assert second.perform(BLOCK) == done
    assert stage.count() == done.rows


def test_a_retry_waits_for_the_worker_that_was_thought_lost(stage: Stage) -> None:
    """The lost one rolls back, so the retry loads; had it committed, the retry would have found its row."""
    with stage.loader() as retry, connect(stage.order.conninfo, autocommit=False) as lost:
        stage.registry.name_session(lost, BLOCK)
        assert stage.registry.claim(lost, BLOCK)
        thread = threading.Thread(target=retry.perform, args=(BLOCK,))
        thread.start()
        thread.join(0.5)
        assert thread.is_alive()
        lost.rollback()
        thread.join(30)
        assert retry.perform(BLOCK).rows == stage.count() > 0


def test_a_worker_that_stopped_halfway_is_cut_off(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inboxbench.seed.dask.block_registry._PATIENCE", "200ms")
    with stage.loader() as retry, connect(stage.order.conninfo, autocommit=False) as stopped:
        stage.registry.name_session(stopped, BLOCK)
        assert stage.registry.claim(stopped, BLOCK)
        assert retry.perform(BLOCK).rows == stage.count() > 0
        with pytest.raises(psycopg.OperationalError):
            stopped.execute("SELECT 1")


def test_nobody_loads_once_the_registry_is_closed(stage: Stage) -> None:
    with stage.loader() as late:
        with connect(stage.order.conninfo) as connection:
            stage.registry.drop(connection)
        with pytest.raises(psycopg.OperationalError):
            late.perform(BLOCK)
    with pytest.raises(psycopg.errors.UndefinedTable), stage.loader() as late:
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
        (["--dask", "local:2", "--benchmark"], "leave out --workers and --benchmark"),
        (["--dask", "8786"], "unknown Dask cluster '8786'; accepted: tcp://HOST:PORT of a scheduler, local:N"),
    ],
)
def test_wrong_options(options: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        application.main(["seed", "tiny", *options], standalone_mode=False)


def test_without_the_extra_one_line_says_what_to_install() -> None:
    code = "import sys; sys.modules['distributed'] = None; from inboxbench.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "seed", "tiny", "--dask", "local:2"], check=False, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr == (
        "inboxbench: error: --dask needs Dask, which is not installed; run: pip install 'inboxbench[cluster]'\n"
    )
