"""The first sentence of every output answers whether the history may ship."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.console import Console

from inboxbench.cli.dryrun.output import show_run
from inboxbench.dryrun.limits import Limits
from inboxbench.dryrun.model import ClassSummary, DryRun, Finding, Lock, Revision, Statement
from inboxbench.dryrun.output.annotations import as_github
from inboxbench.dryrun.output.markdown import as_markdown
from inboxbench.dryrun.verdict import judge, with_verdict
from inboxbench.report.dry_run import render_dry_run

_INDEX = Finding("index-not-concurrent", "error", 1, "r1", "public.orders", "CREATE INDEX blocked writes for 4 s.",
                 "build it CONCURRENTLY.")  # fmt: skip
_BACKFILL = Finding(
    "unbatched-backfill", "warning", 2, "r2", "public.orders", "UPDATE changed 90,000 rows.", "batches."
)


def _run(*findings: Finding, held_ms: float = 4.0, error: str | None = None) -> DryRun:
    lock = Lock("public.orders", "table", "SHARE", 0.0, held_ms)
    index = Statement(1, "r1", "CREATE INDEX ix ON orders (a)", 7, 1, 0.0, 4.0, locks=(lock,))
    update = Statement(2, "r2", "UPDATE orders SET a = 1", 7, 2, 9.0, 4.0, error=error)
    revisions = (Revision("r1", "", "versions/r1.py", 0.0, 4.0), Revision("r2", "", None, 9.0, 13.0, error=error))
    return DryRun("18", "shop", "alembic", "2026-11-23", 20.0, revisions, (index, update), (), (), findings,
                  error=error and f"revision r2 failed: {error}")  # fmt: skip


@pytest.mark.parametrize(
    ("run", "limits", "ships", "texts"),
    [
        (_run(), Limits(), True, ("Yes (no limit was given", "The longest lock was SHARE on orders for 4 ms", "")),
        (_run(_BACKFILL), Limits(), True, ("Yes, with 1 finding to read first", "UPDATE", "In revision r2: b")),
        (_run(_BACKFILL, _INDEX), Limits(), False, ("No: 1 finding is an error (no limit", "CREATE INDEX", "In")),
        (_run(_INDEX), Limits(lock_hold=9.0), True, ("Yes, with 1 finding to read first (by", "CREATE", "In")),
        (_run(held_ms=50.0), Limits(lock_hold=9.0), False, ("No: 1 limit is broken (by the limits that were given).",
         "SHARE on public.orders was held for 50 ms", "")),
        (_run(held_ms=5_000.0), Limits(), False, ("No: 1 limit is broken (no limit", "SHARE on public.orders", "")),
        (_run(replace(_INDEX, suppressed="a quiet hour")), Limits(), True, ("Yes (no limit", "The longest lock", "")),
        (_run(_INDEX, error="division by zero"), Limits(lock_hold=9_000.0), False, ("No: revision r2 fails.",
         "Revision r2 failed: division by zero.", "In revision r1")),
    ],
)  # fmt: skip
def test_the_answer(run: DryRun, limits: Limits, ships: bool, texts: tuple[str, str, str]) -> None:
    verdict, (answer, worst, first) = judge(run, limits), texts
    assert verdict.ships is ships
    assert verdict.answer.startswith(answer)
    assert verdict.worst.startswith(worst)
    assert verdict.first.startswith(first)
    assert bool(verdict.first) is bool(first)


def test_a_request_that_fails_is_too_much_where_no_limit_is_given() -> None:
    felt = ClassSummary("read", "read", 9, 1.0, 2.0, 3.0, 0.0, errors=1, first_error="gone")
    assert judge(replace(_run(), traffic=(felt,)), Limits()).answer.startswith("No: 1 limit is broken")


def test_of_two_errors_the_one_that_kept_others_out_for_longer_is_worst() -> None:
    other = replace(_INDEX, statement=2, revision="r2", what="ALTER TABLE blocked nobody.")
    assert judge(_run(other, _INDEX), Limits()).worst == _INDEX.what


def test_every_output_begins_with_it() -> None:
    run = with_verdict(_run(_INDEX), Limits())
    console = Console(record=True, width=300)
    show_run(console, run)
    assert console.export_text().startswith("May this ship? No: 1 finding is an error")
    assert as_markdown(run).startswith("**May this ship? No: 1 finding is an error")
    assert "May this ship? No" in as_github(run).splitlines()[0]
    page = render_dry_run(run.to_json())
    places = [page.index(text) for text in ("May this ship? No", "Worst: ", "First: ", ">Findings<", ">Timeline<")]
    assert places == sorted(places)
