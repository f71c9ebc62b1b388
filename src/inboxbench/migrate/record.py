"""A migration as the `migration` part of run.json: its revisions, and what live traffic waited while they ran."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from inboxbench.database import connect
from inboxbench.errors import UsageError
from inboxbench.migrate.runner import Applied, Run
from inboxbench.project import Project
from inboxbench.record import as_json
from inboxbench.report import model
from inboxbench.traffic.engine import Traffic, live_traffic
from inboxbench.traffic.file import read_project_traffic
from inboxbench.traffic.latency import by_class, measure


@dataclass(frozen=True, slots=True)
class MigrationRun:
    """What was done, what each class of traffic waited, and notes on what no wait must be blamed on."""

    run: Run
    traffic: tuple[model.Traffic, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the record, times in the units their names say."""
        run = self.run
        record = {
            "from": run.before,
            "to": run.after,
            "elapsed_s": round(run.elapsed_s, 3),
            "revisions": [_revision(applied, run.revisions[0].started_ms) for applied in run.revisions],
            "traffic": [_traffic(waited) for waited in self.traffic],
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
    notes = tuple(traffic.standstills.notes()) if traffic.answers else ()
    return MigrationRun(run, tuple(summarise(traffic, run.revisions)), notes)


def summarise(traffic: Traffic, applied: Sequence[Applied] = ()) -> list[model.Traffic]:
    """Summarise each class that sent anything, on the clock that begins with the first revision.

    applied: which revision ran when; that which filled most of the longest wait is the worst.
    """
    summaries = []
    for item, answers in by_class(traffic):
        origin_ms = min((revision.started_ms for revision in applied), default=answers[0].due_ms)
        latencies = measure(answers, traffic.standstills, origin_ms)
        errors = [answer.error for answer in answers if answer.error]
        begin_ms = origin_ms + latencies.longest_at_ms
        worst = running_during(applied, begin_ms, begin_ms + latencies.max_wait_ms)
        figures = as_json(latencies)
        del figures["longest_at_ms"]
        waited = model.Traffic(item.name, item.kind, len(answers), len(errors), **figures)
        summaries.append(replace(waited, first_error=errors[0] if errors else None, worst_revision=worst))
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


def _traffic(waited: model.Traffic) -> dict[str, Any]:
    return {key: value for key, value in as_json(waited, digits=2).items() if key != "first_error" or value}
