"""The same changes twice: as migrations/ makes them, and naively. What the rules say, by rows and locks alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from inboxbench.dryrun.model import DryRun
from inboxbench.dryrun.rules import find
from inboxbench.dryrun.run import rehearse
from inboxbench.dryrun.source import Source, copy_of
from inboxbench.dryrun.tools.alembic import Alembic
from inboxbench.dryrun.tools.base import Tool
from inboxbench.project import Project
from inboxbench.server import Server

_NAIVE = Path(__file__).parents[2] / "migrations_naive"
Rehearse = Callable[[Tool], DryRun]


@pytest.fixture
def rehearsed(server: Server, project: Project) -> Rehearse:
    """On messages enough for a scan to be worth a word."""
    if not server.owned or server.kind == "container":
        pytest.skip("the observer reads the log of a server of our own on this machine")

    def run(chain: Tool) -> DryRun:
        with copy_of(server, Source(dataset="tiny", seed=72), project) as copy:
            return rehearse(server, copy.name, chain, source="tiny", begin=None, target="head")

    return run


def test_the_naive_chain_is_found_out(rehearsed: Rehearse) -> None:
    run = rehearsed(Alembic(script_location=_NAIVE))
    assert (run.error, len(run.revisions)) == (None, len(list((_NAIVE / "versions").glob("n*.py"))))
    assert {one.rule for one in find(run, Alembic())} >= {
        "index-not-concurrent",
        "backfill-in-ddl-transaction",
        "lock-held-across-work",
        "not-null-scan",
        "check-validated",
        "unique-built",
        "volatile-default",
        "foreign-key-validated",
    }
    assert {relation for one in run.statements for relation in (each.relation for each in one.rewrites)} >= {
        "public.conversations"
    }


def test_nothing_is_said_of_the_real_chain(rehearsed: Rehearse) -> None:
    run = rehearsed(Alembic())
    assert run.error is None
    assert [(one.revision, one.rule, one.what) for one in find(run, Alembic())] == []
