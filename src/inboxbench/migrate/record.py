"""A migration as the `migration` part of run.json."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from inboxbench.migrate.runner import Applied, Run
from inboxbench.migrate.traffic import ClassSummary
from inboxbench.traffic.latency import Interval


def migration_record(run: Run, traffic: Sequence[ClassSummary] = ()) -> dict[str, Any]:
    """Times in the units their names say."""
    return {
        "from": run.before,
        "to": run.after,
        "elapsed_s": round(run.elapsed_s, 3),
        "revisions": [_revision(applied, run.revisions[0].started) for applied in run.revisions],
        "traffic": [_traffic(summary) for summary in traffic],
    }


def _revision(applied: Applied, begin: float) -> dict[str, Any]:
    revision = applied.revision
    return {
        "revision": revision.revision,
        "slug": revision.slug,
        "title": revision.title,
        "kind": revision.kind,
        "phase": revision.phase,
        "ids": list(revision.ids),
        "started_s": round(applied.started - begin, 3),
        "elapsed_s": round(applied.elapsed_s, 3),
        "rows": applied.rows,
    }


def _traffic(summary: ClassSummary) -> dict[str, Any]:
    record = {
        "class": summary.name,
        "kind": summary.kind,
        "requests": summary.requests,
        "errors": summary.errors,
        "p50_ms": round(summary.p50_ms, 2),
        "p99_ms": round(summary.p99_ms, 2),
        "max_stall_ms": round(summary.max_stall_ms, 2),
        "worst_revision": summary.worst_revision,
        "course": [_interval(one) for one in summary.course],
    }
    return record | ({"first_error": summary.first_error} if summary.first_error else {})


def _interval(one: Interval) -> dict[str, Any]:
    return {
        "started_ms": round(one.started_ms, 1),
        "requests": one.requests,
        "p50_ms": round(one.p50_ms, 2),
        "max_ms": round(one.max_ms, 2),
    }
