"""A migration as the `migration` part of run.json: its revisions, and what live traffic waited while they ran."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from inboxbench.database import connect
from inboxbench.errors import UsageError
from inboxbench.migrate.runner import Applied, Run
from inboxbench.project import Project
from inboxbench.record import as_json
from inboxbench.traffic.engine import Traffic, live_traffic
from inboxbench.traffic.file import read_project_traffic
from inboxbench.traffic.latency import Latencies, by_class, measure


@dataclass(frozen=True, slots=True)
class ClassSummary:
    """What the requests of one class waited; latencies are on the clock that begins with the first revision.

    worst_revision: the revision that filled most of the longest wait; None when none was running.
    """

    name: str
    kind: str
    requests: int
    errors: int
    first_error: str | None
    latencies: Latencies
    worst_revision: str | None


@dataclass(frozen=True, slots=True)
class MigrationRun:
    """What was done, what each class of traffic waited meanwhile, and notes on what no wait must be blamed on."""

    run: Run
    traffic: tuple[ClassSummary, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the record, times in the units their names say."""
        run = self.run
        record = {
            "from": run.before,
            "to": run.after,
            "elapsed_s": round(run.elapsed_s, 3),
            "revisions": [_revision(applied, run.revisions[0].started_ms) for applied in run.revisions],
            "traffic": [_traffic(summary) for summary in self.traffic],
        }
        return record | ({"notes": list(self.notes)} if self.notes else {})


def run_under_traffic(conninfo: str, project: Project, migrate: Callable[[], Run]) -> MigrationRun:
    """Migrate while the requests of the project's traffic files go on; their writes stay in the database.

    Raises UsageError when the project has none, or when they do not fit the database.
    """
    with connect(conninfo) as connection:
        classes = read_project_traffic(project.traffic, connection)
    if not classes:
        raise UsageError(f"{project.traffic} holds no traffic; write the application's requests there as *.sql")
    with live_traffic(conninfo, classes, options="") as traffic:
        run = migrate()
    return MigrationRun(run, tuple(summarise(traffic, run.revisions)), tuple(traffic.standstills.notes()))


def summarise(traffic: Traffic, applied: Sequence[Applied] = ()) -> list[ClassSummary]:
    """Summarise each class that sent anything; `applied` says which revision ran when."""
    summaries = []
    for item, answers in by_class(traffic):
        origin_ms = min((revision.started_ms for revision in applied), default=answers[0].due_ms)
        latencies = measure(answers, traffic.standstills, origin_ms)
        errors = [answer.error for answer in answers if answer.error]
        begin_ms = origin_ms + latencies.longest_at_ms
        worst = running_during(applied, begin_ms, begin_ms + latencies.max_wait_ms)
        first_error = errors[0] if errors else None
        summaries.append(ClassSummary(item.name, item.kind, len(answers), len(errors), first_error, latencies, worst))
    return summaries


def running_during(applied: Sequence[Applied], begin_ms: float, end_ms: float) -> str | None:
    """Return the revision that filled most of the time between two moments (Unix ms); None when none ran."""

    def overlap(revision: Applied) -> float:
        return min(revision.finished_ms, end_ms) - max(revision.started_ms, begin_ms)

    longest = max(applied, key=overlap, default=None)
    return longest.revision.revision if longest is not None and overlap(longest) > 0 else None


def _revision(applied: Applied, begin_ms: float) -> dict[str, Any]:
    revision = applied.revision
    return {
        "revision": revision.revision,
        "slug": revision.slug,
        "title": revision.title,
        "kind": revision.kind,
        "phase": revision.phase,
        "ids": list(revision.ids),
        "started_s": round((applied.started_ms - begin_ms) / 1000, 3),
        "elapsed_s": round(applied.elapsed_s, 3),
        "rows": applied.rows,
    }


def _traffic(summary: ClassSummary) -> dict[str, Any]:
    latencies = summary.latencies
    record = {
        "class": summary.name,
        "kind": summary.kind,
        "requests": summary.requests,
        "errors": summary.errors,
        **{name: round(getattr(latencies, name), 2) for name in ("p50_ms", "p99_ms", "max_stall_ms", "still_ms")},
        "max_wait_ms": round(latencies.max_wait_ms, 2),
        "worst_revision": summary.worst_revision,
        "course": as_json(latencies.course, digits=2),
    }
    return record | ({"first_error": summary.first_error} if summary.first_error else {})
