"""PostgreSQL in a real container: same interface, same settings, removed at the end."""

from __future__ import annotations

import os

import docker
import pytest
from testcontainers.core.labels import LABEL_SESSION_ID, SESSION_ID

from inboxbench.database import connect, scratch_database
from inboxbench.errors import ServerError
from inboxbench.server import open_server
from inboxbench.server.handle import DEFAULT_IMAGE

IMAGE = os.environ.get("INBOXBENCH_CONTAINER_IMAGE", DEFAULT_IMAGE)

pytestmark = pytest.mark.container


def _containers() -> set[str]:
    """Of this process: another one may be testing beside us."""
    client = docker.from_env()
    try:
        ours = {"label": f"{LABEL_SESSION_ID}={SESSION_ID}"}
        return {container.id for container in client.containers.list(all=True, filters=ours)}
    finally:
        client.close()


def test_a_container_is_a_server_like_any_other() -> None:
    before = _containers()
    with open_server(f"container:{IMAGE}") as server:
        assert len(_containers()) == len(before) + 1
        assert server.owned
        assert "inboxbench" not in server.label.replace(IMAGE, ""), "the label shows a password"
        with scratch_database(server, "test") as name, connect(server.conninfo(name)) as connection:
            connection.execute("CREATE EXTENSION pg_trgm")
            row = connection.execute("SELECT cardinality(show_trgm('привет')), 'ПРИВЕТ' ILIKE '%прив%'").fetchone()
            assert row == (7, True)
            assert connection.execute("SELECT current_setting('autovacuum')").fetchone() == ("off",)
    assert _containers() == before


def test_a_container_is_removed_when_its_user_fails() -> None:
    before = _containers()

    def fail() -> None:
        with open_server(f"container:{IMAGE}"):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert _containers() == before


def test_an_image_that_is_not_there_is_one_line() -> None:
    refused = pytest.raises(ServerError, match=r"container no.such.registry.invalid/postgres:1 did not come up")
    with refused as raised, open_server("container:no.such.registry.invalid/postgres:1"):
        pass
    assert "\n" not in str(raised.value)
