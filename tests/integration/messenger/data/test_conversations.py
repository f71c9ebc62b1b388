"""Every invariant of schema/invariants.sql holds in seeded rows: at head, and after migrating those of the baseline."""

from __future__ import annotations

import pytest

from inboxbench.database import connect, scratch_database
from inboxbench.invariants import read_invariants, violations
from inboxbench.migrate import runner
from inboxbench.project import Project
from inboxbench.seed import seed_into
from inboxbench.server import Server

CASES = [
    pytest.param("tiny", None, "head"),
    pytest.param("tiny", None, "baseline"),
    pytest.param("small", None, "head"),
    pytest.param("small", None, "baseline", marks=pytest.mark.long),
    pytest.param("medium", 2_000_000, "head", marks=pytest.mark.long),
    pytest.param("medium", 2_000_000, "baseline", marks=pytest.mark.long),
]


@pytest.mark.parametrize(("profile", "size", "at"), CASES)
def test_every_invariant_holds(server: Server, project: Project, profile: str, size: int | None, at: str) -> None:
    known = [rule for rule in read_invariants(project.schema / "invariants.sql").values() if rule.scope != "lab"]
    assert len(known) > 13
    with scratch_database(server, "invariants") as name:
        seed_into(server, name, profile, 1, size=size, at=at, fresh=True, project=project)
        if at == "baseline":
            runner.upgrade(server.conninfo(name), project)
        with connect(server.conninfo(name)) as connection:
            assert violations(connection, known) == []
