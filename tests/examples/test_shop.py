"""examples/shop: the set that its README recommends is the one that is recommended."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from inboxbench.database import connect, scratch_database
from inboxbench.project import Project
from inboxbench.server import Server


@pytest.fixture
def shop_url(server: Server, project: Project) -> Iterator[str]:
    folder = project.root / "examples" / "shop"
    with scratch_database(server, "shop") as name:
        with connect(server.conninfo(name)) as connection:
            for script in ("schema.sql", "seed.sql"):
                connection.execute((folder / script).read_bytes())
            row = connection.execute("SELECT count(*) FROM orders").fetchone()
        assert row is not None
        assert row[0] >= 100_000
        yield server.url(name)


@pytest.mark.slow
def test_the_partial_set_is_recommended(server: Server, project: Project, shop_url: str, tmp_path: Path) -> None:
    record = tmp_path / "bench.json"
    command = [sys.executable, "-m", "inboxbench", "bench", "--database", shop_url, "--mix", "80:20"]
    command += ["--queries", "examples/shop/queries", "--no-throughput", "--output", str(record)]
    command += ["--server", server.url("postgres")]
    done = subprocess.run(command, cwd=project.root, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    words = " ".join(done.stdout.split())
    assert "Choose partial: a request of the mix (reads 80%, writes 20%) costs" in words
    assert "50 open orders that have waited longest" in words
    document = json.loads(record.read_text(encoding="utf-8"))
    pages = {(cell["set"], cell["query"]): cell["buffers"] for cell in document["matrix"]["cells"]}
    assert pages["partial", "oldest_open"] * 100 < pages["current", "oldest_open"]
    wal = {index_set["name"]: index_set["update_wal_bytes"] for index_set in document["matrix"]["sets"]}
    assert wal["partial"] < wal["composite"] < wal["current"]
