"""What a test suite uses. `plugin` is found by pytest by itself; importing either costs nothing until it is used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inboxbench.race.explore.refusals import Refused as Refused
    from inboxbench.testing.races import assert_race_free as assert_race_free
    from inboxbench.testing.seeded import SeededDatabase as SeededDatabase
    from inboxbench.testing.statements import PlanError as PlanError
    from inboxbench.testing.statements import assert_buffers as assert_buffers
    from inboxbench.testing.statements import assert_plan as assert_plan
    from inboxbench.testing.statements import assert_statements as assert_statements
    from inboxbench.testing.statements import attach_counters as attach_counters
    from inboxbench.testing.statements import benchmark_query as benchmark_query

_WHERE = {
    "PlanError": "inboxbench.testing.statements",
    "Refused": "inboxbench.race.explore.refusals",
    "SeededDatabase": "inboxbench.testing.seeded",
    "assert_buffers": "inboxbench.testing.statements",
    "assert_plan": "inboxbench.testing.statements",
    "assert_race_free": "inboxbench.testing.races",
    "assert_statements": "inboxbench.testing.statements",
    "attach_counters": "inboxbench.testing.statements",
    "benchmark_query": "inboxbench.testing.statements",
}

__all__ = [
    "PlanError",
    "Refused",
    "SeededDatabase",
    "assert_buffers",
    "assert_plan",
    "assert_race_free",
    "assert_statements",
    "attach_counters",
    "benchmark_query",
]


def __getattr__(name: str) -> Any:
    """The explorer is imported when somebody asks for it, not in every run of pytest."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)
