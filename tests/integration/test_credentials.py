"""A password of a server stays out of output, files and the arguments of each process, while real commands run."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from psycopg import sql

from inboxbench.database import connect, scratch_database
from inboxbench.project import Project
from inboxbench.server import Server

_CANARY = "Zq7canary9Xv"


@pytest.fixture
def url(server: Server, project: Project) -> Iterator[str]:
    """The URL of a shop's database, of a role with a password."""
    role = sql.Identifier("inboxbench_canary")
    with scratch_database(server, "shop") as name, connect(server.conninfo(name)) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} SUPERUSER LOGIN PASSWORD {}").format(role, sql.Literal(_CANARY)))
        connection.execute((project.root / "examples" / "alembic_shop" / "shop.sql").read_bytes())
        rest = server.url(name).partition("://")[2]
        yield f"postgresql://inboxbench_canary:{_CANARY}@{rest.rpartition('@')[2] if '@' in rest else rest}"
        connection.execute(sql.SQL("REASSIGN OWNED BY {0} TO CURRENT_USER").format(role))
    with connect(server.conninfo()) as connection:
        connection.execute(sql.SQL("DROP ROLE {}").format(role))


def _arguments(process: psutil.Popen) -> set[str]:
    """Return the command lines of all processes below this one until it ends; between fork and exec it is its own."""
    seen: set[str] = set()
    own = process.cmdline()
    while process.poll() is None:
        for child in process.children(recursive=True):
            try:
                seen |= {" ".join(line)} if (line := child.cmdline()) != own else set()
            except psutil.Error:
                continue
        time.sleep(0.01)
    return seen


_DRY_RUN = "dryrun --database URL --no-rewrites --config examples/alembic_shop/alembic.ini"
_RACE = "race bench --server URL --strategy skip-locked --workers 2 --seconds 1"


@pytest.mark.slow
@pytest.mark.parametrize(("command", "program"), [(_DRY_RUN, "pg_dump"), (_RACE, "pgbench")])
def test_no_process_no_file_and_no_line_has_the_password(
    project: Project, url: str, short_dir: Path, command: str, program: str
) -> None:
    words = [*command.replace("URL", url).split(), "--output", str(short_dir / "record.json")]
    environment = os.environ | {"TMPDIR": str(short_dir)}
    with (short_dir / "printed").open("wb") as printed:
        process = psutil.Popen(
            [sys.executable, "-m", "inboxbench", *words],
            cwd=project.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
        )
        arguments = _arguments(process)
    said = (short_dir / "printed").read_text(encoding="utf-8")
    assert process.returncode == 0, said
    assert any(program in line for line in arguments), arguments
    assert not [line for line in arguments if _CANARY in line]
    written = {path.name: path.read_bytes() for path in short_dir.rglob("*") if path.is_file()}
    assert "record.json" in written
    assert not [name for name, data in written.items() if _CANARY.encode() in data]
