"""docs/tutorials/from-statistics-to-a-migration.md: its commands, one after the other, as they stand there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from inboxbench.project import Project
from inboxbench.server.binaries import find_bindir
from inboxbench.server.cluster import start_cluster, stop_cluster, temporary_cluster
from inboxbench.server.environment import without_libpq
from inboxbench.server.handle import Embedded

PAGE = Path("docs") / "tutorials" / "from-statistics-to-a-migration.md"


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    """Leads libpq to a server with pg_stat_statements, as the reader of the page has one."""
    bindir = find_bindir(Embedded())
    with temporary_cluster(bindir) as cluster:
        with psycopg.connect(cluster.url, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")
        stop_cluster(cluster)
        start_cluster(cluster)
        path = os.pathsep.join([str(Path(sys.executable).parent), str(bindir), os.environ["PATH"]])
        yield without_libpq() | {"PGHOST": str(cluster.home), "PGPORT": "5432", "PGUSER": "postgres", "PATH": path}


@pytest.mark.long
def test_the_commands_of_the_page_lead_to_a_migration_that_may_ship(
    project: Project, environment: dict[str, str], tmp_path: Path
) -> None:
    shutil.copytree(project.root / "examples", tmp_path / "examples")
    text = (project.root / PAGE).read_text(encoding="utf-8")
    said = []
    for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
        done = subprocess.run(
            ["sh", "-e", "-c", block], cwd=tmp_path, env=environment, check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, (block, done.stdout, done.stderr)
        said.append(" ".join(done.stdout.split()))
    assert len(said) == 5
    covered = re.search(r"of the execution time of .* can be run, in (\d+) queries", said[2])
    assert covered, said[2]
    assert int(covered[1]) >= 3
    revision = (tmp_path / "shop_project" / "versions" / "a1_advised.py").read_text(encoding="utf-8")
    assert "def upgrade" in revision
    assert "May this ship?" in said[4]
