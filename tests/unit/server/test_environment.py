"""libpq's variables complete a user's URL as psql reads them, and reach nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Conninfo

from inboxbench.server import environment
from inboxbench.server.environment import LIBPQ, aside, completed, set_aside, stated, without_libpq


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in LIBPQ & os.environ.keys():
        monkeypatch.delenv(name)
    monkeypatch.setattr(environment, "_set_aside", {})


def test_every_variable_of_this_libpq_is_known() -> None:
    assert {option.envvar.decode() for option in Conninfo.get_defaults() if option.envvar} <= LIBPQ


@pytest.mark.parametrize("aside", [False, True])
@pytest.mark.parametrize(
    ("variables", "url", "expected"),
    [
        ({"PGPORT": "6000"}, "postgresql://u@h/d", {"user": "u", "host": "h", "dbname": "d", "port": "6000"}),
        ({"PGPORT": "6000"}, "postgresql://u@h:1/d", {"user": "u", "host": "h", "dbname": "d", "port": "1"}),
        ({"PGHOST": "x", "PGUSER": "me"}, "postgresql:///db", {"host": "x", "user": "me", "dbname": "db"}),
        ({"PGPASSWORD": "p w'"}, "postgresql://u@h/d", {"user": "u", "host": "h", "dbname": "d", "password": "p w'"}),
        ({"PGSSLMODE": "require"}, "host=h", {"host": "h", "sslmode": "require"}),
        ({"PGTZ": "Asia/Tokyo"}, "host=h", {"host": "h", "options": "-c timezone=Asia/Tokyo"}),
        ({"PGDATESTYLE": "ISO, DMY", "PGOPTIONS": "-c jit=off"}, "host=h",
         {"host": "h", "options": "-c datestyle=ISO,\\ DMY -c jit=off"}),
        ({}, "host=h", {"host": "h"}),
    ],
)  # fmt: skip
def test_a_users_url_is_completed(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], url: str, expected: dict[str, str], aside: bool
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    if aside:
        set_aside()
        assert not LIBPQ & os.environ.keys()
    before = dict(os.environ)
    assert conninfo_to_dict(completed(url)) == expected
    assert dict(os.environ) == before


@pytest.mark.parametrize("where", ["PGSERVICE", "url"])
def test_a_service_comes_before_the_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, where: str) -> None:
    (tmp_path / "services").write_text("[shop]\nhost=shop.example\nport=7777\n")
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    monkeypatch.setenv("PGPORT", "6000")
    monkeypatch.setenv("PGUSER", "me")
    url = "postgresql://?service=shop"
    if where == "PGSERVICE":
        monkeypatch.setenv("PGSERVICE", "shop")
        url = "postgresql://"
    set_aside()
    parts = conninfo_to_dict(completed(url))
    assert (parts["host"], parts["port"], parts["user"], parts["service"]) == ("shop.example", "7777", "me", "shop")


def test_a_server_of_ours_states_what_a_variable_could_say(monkeypatch: pytest.MonkeyPatch) -> None:
    base = "host=/tmp/x port=5432 user=postgres dbname=postgres"
    parts = conninfo_to_dict(stated(base))
    assert parts.items() >= conninfo_to_dict(base).items()
    assert {"options", "sslmode", "passfile", "password", "hostaddr", "client_encoding"} <= parts.keys()


def test_variables_are_aside_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """A suite's own tests need them afterwards, and a URL of the suite is completed with them all the same."""
    monkeypatch.setenv("PGPORT", "6000")
    with aside():
        assert "PGPORT" not in os.environ
        with aside():
            assert conninfo_to_dict(completed("host=h"))["port"] == "6000"
        assert conninfo_to_dict(completed("host=h"))["port"] == "6000"
    assert (os.environ["PGPORT"], environment._set_aside) == ("6000", {})


def test_a_program_sees_none_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in LIBPQ:
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("PGP_KEY", "mine")
    assert not LIBPQ & without_libpq().keys()
    assert without_libpq()["PGP_KEY"] == "mine"
