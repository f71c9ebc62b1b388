"""The command that migrates a copy: its arguments, which everybody can read, hold no password."""

from __future__ import annotations

from pathlib import Path

import pytest

from inboxbench.dryrun.tools.alembic import Alembic

_URL = "postgresql://bob:s3cret@/shop?host=127.0.0.1&port=1"


@pytest.mark.parametrize(
    "tool",
    [
        Alembic(),
        Alembic(config=Path("alembic.ini")),
        Alembic(script_location=Path("migrations"), driver="postgresql+psycopg2", url_env=("MY_URL",)),
        Alembic(program="upgrade --url {url} --to {revision}", driver="postgresql+asyncpg"),
    ],
    ids=["ours", "config", "script_location", "program"],
)
def test_the_password_travels_in_the_environment(tool: Alembic) -> None:
    command = tool.command(_URL, "head")
    assert "s3cret" not in " ".join(command.arguments)
    assert command.environment["PGPASSWORD"] == "s3cret"
    for name in ("DATABASE_URL", *tool.url_env):
        assert command.environment[name] == _URL.replace("postgresql", tool.driver, 1)
    if tool.program:
        bare = "postgresql+asyncpg://bob@/shop?host=127.0.0.1&port=1"
        assert list(command.arguments) == ["upgrade", "--url", bare, "--to", "head"]


def test_a_password_in_the_command_itself_is_not_recorded() -> None:
    assert "s3cret" not in Alembic(program="upgrade --url postgresql://bob:s3cret@db/x").shown
