"""examples/alembic_shop: the rule and the revision that its README names, and no other revision."""

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
    with scratch_database(server, "shop") as name:
        with connect(server.conninfo(name)) as connection:
            connection.execute((project.root / "examples" / "alembic_shop" / "shop.sql").read_bytes())
        yield server.url(name)


@pytest.mark.slow
def test_the_harmful_revision_is_found(project: Project, shop_url: str, tmp_path: Path) -> None:
    record = tmp_path / "dryrun.json"
    command = [sys.executable, "-m", "inboxbench", "dryrun", "--database", shop_url, "--output", str(record)]
    command += ["--config", "examples/alembic_shop/alembic.ini"]
    done = subprocess.run(command, cwd=project.root, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    run = json.loads(record.read_text(encoding="utf-8"))
    errors = {(finding["rule"], finding["revision"]) for finding in run["findings"] if finding["severity"] == "error"}
    assert ("backfill-in-ddl-transaction", "a2_total") in errors
    assert {revision for _, revision in errors} == {"a2_total"}
    assert "rows changed at once 100,000 → 5,000" in " ".join(done.stdout.split())
    assert [revision["revision"] for revision in run["revisions"]] == ["a1_note", "a2_total", "a3_latest"]
