"""A schema of the user's own: by a project without a messenger, and by a folder of queries against a live database."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from psycopg import sql

from inboxbench.cli.bench.command import command
from inboxbench.database import connect, list_databases, scratch_database
from inboxbench.errors import InboxbenchError, SubjectFailed, UsageError
from inboxbench.files import read_text
from inboxbench.server import Server

SHOP = Path(__file__).with_name("shop.sql")
QUICK = ("--no-throughput", "--rounds", "1", "--timeout", "1")

LATEST = 'SELECT id, placed_at FROM "Orders" WHERE customer_id = :customer ORDER BY placed_at DESC, id DESC LIMIT 5\n'
LATEST_FILE = f"-- params: customer bigint = (SELECT min(customer_id) FROM open_orders)\n-- order: ordered\n{LATEST}"
INDEXES = """
[index.orders_latest_idx]
definition = '"Orders" (customer_id, placed_at DESC, id DESC)'
[index.broken_idx]
definition = '"Orders" (no_such_column)'
[set.latest]
indexes = ["orders_latest_idx"]
[set.broken]
indexes = ["broken_idx"]
default = false
"""


_GRANT = sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}")


@dataclass(frozen=True)
class Shop:
    """`url`: as a role that may read everything and do nothing else; `word`: its password."""

    name: str
    url: str
    word: str

    @property
    def role(self) -> str:
        return self.url.split("//")[1].split(":")[0]


@pytest.fixture(scope="module")
def shop(server: Server) -> Iterator[Shop]:
    role, word = f"reader_{secrets.token_hex(4)}", f"p@ss {secrets.token_hex(8)}"
    with scratch_database(server, "shop") as name:
        with connect(server.conninfo(name)) as connection:
            connection.execute(read_text(SHOP).encode())
            connection.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), sql.Literal(word))
            )
            connection.execute(_GRANT.format(sql.Identifier(role)))
        given = server.url(name).replace("postgres@", f"{role}:{word.replace('@', '%40').replace(' ', '%20')}@", 1)
        yield Shop(name, given, word)
        with connect(server.conninfo(name)) as connection:
            connection.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(sql.Identifier(role)))


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    folder = tmp_path / "questions"
    folder.mkdir()
    (folder / "latest.sql").write_text(LATEST_FILE, encoding="utf-8")
    (folder / "indexes.toml").write_text(INDEXES, encoding="utf-8")
    return folder


def _invoke(server: Server, *arguments: str | Path) -> Result:
    given = ["--server", server.url("postgres"), *QUICK, *map(str, arguments)]
    return CliRunner().invoke(command, given)


def _fingerprint(server: Server, name: str) -> str:
    """Of all rows, where they lie and which transaction wrote them, and of the indexes."""
    texts = [f"SELECT t.ctid, t.xmin, t FROM {table} t" for table in ("customers", '"Orders"')]
    texts.append("SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1")
    with connect(server.conninfo(name)) as connection:
        found = [connection.execute(text.encode()).fetchall() for text in texts]
    return hashlib.sha256(repr(found).encode()).hexdigest()


def _document(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, (result.output, result.exception)
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def test_a_role_that_may_only_read_is_enough_and_nothing_is_written(
    server: Server, shop: Shop, questions: Path
) -> None:
    before, databases = _fingerprint(server, shop.name), {info.name for info in list_databases(server)}
    result = _invoke(server, "--database", shop.url, "--queries", questions, "--format", "json")
    document = _document(result)
    assert _fingerprint(server, shop.name) == before
    assert {info.name for info in list_databases(server)} == databases
    cells = {cell["set"]: cell for cell in document["matrix"]["cells"]}
    assert list(cells) == ["current", "latest"]
    assert cells["current"]["rows"] == cells["latest"]["rows"] == 5
    assert cells["latest"]["buffers"] < cells["current"]["buffers"]
    assert "Orders by customer" in cells["current"]["plan"]
    assert cells["latest"]["class"] == "given"
    assert shop.word not in result.output
    assert shop.word.replace("@", "%40").replace(" ", "%20") not in result.output
    assert "may not be read, so its next value is the first" in result.stderr


def test_text_is_the_same_tables(server: Server, shop: Shop, questions: Path) -> None:
    result = _invoke(server, "--database", shop.url, "--queries", questions, "--sets", "current,latest")
    assert result.exit_code == 0, (result.output, result.exception)
    assert "latest [given]" in result.stdout
    assert "current" in result.stdout


BAD = {
    "errs": "SELECT 1 / (id - id) FROM customers",
    "writes": "SELECT lo_create(0)",
    "sleeps": "SELECT pg_sleep(60)",
    "loose": "SELECT id FROM \"Orders\" WHERE customer_id > 20 AND state = 'done' LIMIT 3",
    "nobody": "-- params: who text = 'nobody, really'\nSELECT id FROM customers WHERE name = :who",
}


def test_what_goes_wrong_is_named_and_the_rest_goes_on(server: Server, shop: Shop, questions: Path) -> None:
    for name, text in BAD.items():
        (questions / f"{name}.sql").write_text(f"{text}\n", encoding="utf-8")
    result = _invoke(server, "--database", shop.url, "--queries", questions, "--sets", "current,latest,broken")
    error = result.exception
    assert isinstance(error, SubjectFailed)
    assert error.exit_code == 3
    said = " ".join(f"{result.stdout} {error}".split())
    assert "errs [given] under current: division by zero" in said
    assert "set broken is left out: " in said
    assert '[index.broken_idx] definition: column "no_such_column" does not exist' in said
    assert "nobody [given]: its parameters match no rows" in said
    assert "latest [given]" in result.stdout
    failures = _failures(server, shop, questions)
    assert "cannot execute lo_create() in a read-only transaction" in failures
    assert "stopped by statement_timeout" in failures


def _failures(server: Server, shop: Shop, questions: Path) -> str:
    result = _invoke(server, "--database", shop.url, "--queries", questions, "--sets", "current", "--format", "json")
    return " ".join(cell["failure"] or "" for cell in json.loads(result.stdout)["matrix"]["cells"])


def test_a_set_that_cannot_be_built_alone_is_exit_code_2_after_the_others(
    server: Server, shop: Shop, questions: Path
) -> None:
    result = _invoke(server, "--database", shop.url, "--queries", questions, "--sets", "latest,broken")
    assert isinstance(result.exception, UsageError)
    assert result.exception.exit_code == 2
    assert "set broken is left out" in str(result.exception)
    assert "latest [given]" in result.stdout


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"database": "postgresql://nobody:geheim@127.0.0.1:1/none"}, "cannot reach 127.0.0.1:1/none"),
        ({"database": None}, "--queries DIR are of a database of your own; name it with --database"),
        ({"queries": "/nowhere/at/all"}, "--queries /nowhere/at/all: there is no such folder"),
        ({"indexes": "/nowhere.toml"}, "/nowhere.toml: there is no such file of index sets"),
        ({"file": "-- params: a bigint\nSELECT :a"}, "can be run: touches no table"),
        ({"file": "-- params: a bigint, b = 2\nSELECT :a, :b"}, "params: only some have a value; give each one"),
        ({"file": "SELECT id FROM customers WHERE idd = $1"}, 'can be run: column "idd" does not exist'),
        ({"file": "-- params: a bigint = 'x'\nSELECT :a"}, "params: a = 'x': invalid input syntax for type bigint"),
        ({"file": "-- params: a bigint =\nSELECT :a"}, "or `name type = value`"),
    ],
)
def test_bad_input_is_one_line(
    server: Server, shop: Shop, questions: Path, change: dict[str, str | None], message: str
) -> None:
    if text := change.get("file"):
        (questions / "latest.sql").write_text(text, encoding="utf-8")
    database = change.get("database", shop.url)
    arguments = ["--queries", change.get("queries") or str(questions)]
    arguments += ["--database", database] if database else []
    arguments += ["--indexes", indexes] if (indexes := change.get("indexes")) else []
    error = _invoke(server, *arguments).exception
    assert isinstance(error, InboxbenchError)
    assert message in str(error)
    assert "\n" not in str(error)
    assert "geheim" not in str(error)
    assert shop.word not in str(error)


def test_what_the_role_may_not_read_is_said(server: Server, shop: Shop, questions: Path) -> None:
    with connect(server.conninfo(shop.name)) as connection:
        connection.execute("CREATE TABLE secrets (id bigint)")
        try:
            error = _invoke(server, "--database", shop.url, "--queries", questions).exception
        finally:
            connection.execute("DROP TABLE secrets")
    assert isinstance(error, SubjectFailed)
    assert "permission denied for table secrets" in str(error)


@pytest.fixture
def shop_project(tmp_path: Path) -> Path:
    """Folders of a project that has neither migrations nor seeds."""
    root = tmp_path / "shop"
    (root / "schema").mkdir(parents=True)
    (root / "schema" / "indexes.toml").write_text(INDEXES + '[set.none]\ntitle = "keys only"\n', encoding="utf-8")
    for folder in ("queries", "draws", "writes", "targets"):
        (root / "bench" / folder).mkdir(parents=True)
    (root / "bench" / "queries" / "latest.sql").write_text(
        "-- name: latest\n-- title: the newest orders\n-- family: orders\n-- params: customer bigint\n"
        f"-- classes: busiest\n-- order: ordered\n\n{LATEST}",
        encoding="utf-8",
    )
    (root / "bench" / "classes.toml").write_text(
        '[busiest]\ntitle = "who ordered most"\ndraws = ["busiest"]\n', encoding="utf-8"
    )
    (root / "bench" / "draws" / "busiest.sql").write_text(
        'SELECT customer_id AS customer FROM "Orders" GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1', encoding="utf-8"
    )
    (root / "bench" / "writes" / "order.sql").write_text(
        "-- name: order\n-- title: an order comes in\n-- family: insert\n-- params: customer bigint\n"
        "-- classes: customers\n-- order: unordered\n\n"
        """INSERT INTO "Orders" (customer_id, state, placed_at) VALUES (:customer, 'open', now())""",
        encoding="utf-8",
    )
    (root / "bench" / "targets" / "customers.sql").write_text("SELECT id AS customer FROM customers", encoding="utf-8")
    return root


def test_a_project_without_messenger_seeds_or_migrations(server: Server, shop: Shop, shop_project: Path) -> None:
    arguments = ("--project", shop_project, "--database", shop.name, "--format", "json")
    document = _document(_invoke(server, *arguments))
    cells = {cell["set"]: cell for cell in document["matrix"]["cells"]}
    assert cells["latest"]["buffers"] < cells["none"]["buffers"]
    assert cells["latest"]["params"] == {"customer": cells["none"]["params"]["customer"]}
    costs = {one["name"]: one for one in document["matrix"]["sets"]}
    assert costs["latest"]["insert_wal_bytes"] > costs["none"]["insert_wal_bytes"] > 0
    assert document["verdict"]["headline"]


def test_a_project_without_seeds_asks_for_a_database(server: Server, shop_project: Path) -> None:
    error = _invoke(server, "--project", shop_project).exception
    assert isinstance(error, UsageError)
    assert "has no seeds/ to fill a database by; name one with --database" in str(error)


# Definitions by the name of an index and set, and a part of what is said of each.
UNBUILDABLE = {
    "customers": ("customers (name)", 'relation "customers" already exists'),
    "open_orders": ("customers (name)", 'relation "open_orders" already exists'),
    "asks_idx": ("customers ((lower((SELECT 'x'))))", "subquery"),
    "wide_idx": ("customers ((string_to_array(rpad('', 40000, md5(name) || name), NULL)))", "index row"),
}


@pytest.mark.parametrize("name", UNBUILDABLE)
def test_a_set_that_cannot_be_built_leaves_the_others_measured(
    server: Server, shop: Shop, questions: Path, name: str
) -> None:
    definition, reason = UNBUILDABLE[name]
    text = (questions / "indexes.toml").read_text(encoding="utf-8")
    added = f'\n[index.{name}]\ndefinition = """{definition}"""\n[set.{name}]\nindexes = ["{name}"]\n'
    (questions / "indexes.toml").write_text(text + added, encoding="utf-8")
    result = _invoke(server, "--database", shop.url, "--queries", questions, "--sets", f"current,{name},latest")
    said = " ".join(f"{result.stdout} {result.exception}".split())
    assert isinstance(result.exception, UsageError)
    assert f"set {name} is left out: " in said
    assert reason in said
    assert "latest [given]" in result.stdout
