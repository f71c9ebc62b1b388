"""`inboxbench dryrun --traffic-from`: a rehearsal under the requests of a log."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.conftest import Database

from inboxbench.cli.dryrun.command import command
from inboxbench.errors import UsageError
from inboxbench.project import Project
from inboxbench.server import Server

SHOP = """
    CREATE TABLE customers (id bigint PRIMARY KEY);
    CREATE TABLE orders (id bigint PRIMARY KEY, customer_id bigint, quantity integer, price_cents integer,
                         placed_at timestamptz DEFAULT now());
    INSERT INTO orders SELECT n, n % 7, 1, 2 FROM generate_series(1, 500) n
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "a.log"
    stamp = "2026-11-30 10:00:0{}.000 UTC [7] LOG:  duration: 1.0 ms  statement: "
    path.write_text(
        "".join(stamp.format(n) + f"SELECT quantity FROM orders WHERE id = {n + 40}\n" for n in range(9))
        + stamp.format(9) + "UPDATE orders SET quantity = 3 WHERE id = 41\n"
    )  # fmt: skip
    return path


def run(*words: object) -> Result:
    return CliRunner().invoke(command, [*map(str, words)])


def test_the_requests_of_a_log_are_sent(server: Server, database: Database, log: Path, project: Project) -> None:
    with database.connect() as connection:
        connection.execute(SHOP)
    where = (
        "--database",
        server.url(database.name),
        "--config",
        project.root / "examples" / "alembic_shop" / "alembic.ini",
    )
    result = run(*where, "--traffic-from", log, "--speed", "20", "--no-rewrites", "--format", "json")
    assert result.exception is None, result.exception
    document = json.loads(result.stdout)
    requests = {entry["kind"]: entry for entry in document["traffic"]}
    assert set(requests) == {"read", "write"}
    assert all(entry["requests"] > 0 and not entry["errors"] for entry in requests.values())
    assert any("10 calls in 9 s at 20x" in note for note in document["notes"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--traffic-from", "a.log", "--no-traffic"], "--traffic-from and --no-traffic"),
        (["--traffic-from", "a.log", "--traffic", "a.log"], "--traffic-from and --traffic"),
        (["--traffic-from", "a.log", "--speed", "2x", "--rate", "5"], "--speed and --rate"),
        (["--traffic-from", "a.log", "--speed", "fast"], "--speed 'fast' is no factor"),
        (["--traffic-from", "a.log", "--speed", "0x"], "--speed '0x' is no factor"),
        (["--traffic-from", "a.log", "--speed", "infx"], "is no factor"),
        (["--traffic-from", "absent.log"], "there is no such workload"),
        (["--traffic-from", "postgres:geheim@db"], "the value of --traffic-from"),
        (["--speed", "2x"], "--speed is that of --traffic-from"),
    ],
)
def test_wrong_words_are_one_line(log: Path, words: list[str], message: str) -> None:
    result = run(*(str(log) if word == "a.log" else word for word in words))
    assert isinstance(result.exception, UsageError), result.exception
    assert message in str(result.exception)
    assert "geheim" not in str(result.exception)
