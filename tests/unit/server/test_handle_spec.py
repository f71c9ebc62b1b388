from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from inboxbench.errors import UsageError
from inboxbench.server.handle import (
    Binaries,
    Container,
    Embedded,
    External,
    Server,
    Spec,
    parse_spec,
    reason,
    shared_buffers_bytes,
    tuned_settings,
)


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("embedded", Embedded(18)),
        ("embedded:17", Embedded(17)),
        ("bin:/usr/lib/postgresql/15/bin", Binaries(Path("/usr/lib/postgresql/15/bin"))),
        ("container", Container("postgres:18")),
        ("container:registry:5000/postgres:17.2", Container("registry:5000/postgres:17.2")),
        ("postgresql://me@db/prod", External("postgresql://me@db/prod")),
        ("postgres://me@db/prod", External("postgres://me@db/prod")),
    ],
)
def test_every_form_is_understood(text: str, spec: Spec) -> None:
    assert parse_spec(text) == spec


@pytest.mark.parametrize("text", ["", "embeded", "embedded:new", "bin:", "mysql://db"])
def test_anything_else_is_answered_with_the_forms(text: str) -> None:
    with pytest.raises(UsageError, match=r"Accepted: embedded, .*postgresql://"):
        parse_spec(text)


def test_no_password_in_what_is_shown() -> None:
    url = "postgresql://me:s3cret@db.example:5433/prod?sslmode=require"
    assert "s3cret" not in reason(psycopg.OperationalError(f"cannot open {url} password=s3cret"))


@pytest.mark.parametrize(
    "base", ["postgresql://me:p%40ss%2F@db:5433/prod?sslmode=require", "host=/tmp/a user=postgres dbname=x"]
)
def test_urls_say_the_same_as_the_connection_string(base: str) -> None:
    server = Server("external", "db", base, 180000)
    expected = conninfo_to_dict(base) | {"dbname": "other"}
    assert conninfo_to_dict(server.url("other")) == expected
    alchemy = server.sqlalchemy_url("other")
    assert alchemy.database == "other"
    assert alchemy.password == expected.get("password")
    assert conninfo_to_dict(server.conninfo("other")) | expected == conninfo_to_dict(server.conninfo("other"))


def test_settings_fit_the_machine() -> None:
    assert shared_buffers_bytes(512 << 20) == 128 << 20
    assert shared_buffers_bytes(64 << 30) == 2 << 30
    assert tuned_settings(8 << 30)["shared_buffers"] == "1024MB"
