"""What a test suite uses. `plugin` is found by pytest by itself; importing either costs nothing until it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inboxbench.testing.races import assert_race_free as assert_race_free
    from inboxbench.testing.statements import PlanError as PlanError
    from inboxbench.testing.statements import assert_buffers as assert_buffers
    from inboxbench.testing.statements import assert_plan as assert_plan
    from inboxbench.testing.statements import assert_statements as assert_statements

_STATEMENTS = ("PlanError", "assert_buffers", "assert_plan", "assert_statements")

__all__ = ["PlanError", "assert_buffers", "assert_plan", "assert_race_free", "assert_statements"]


def __getattr__(name: str) -> Any:
    """The explorer is imported when somebody asks for it, not in every run of pytest."""
    if name == "assert_race_free":
        from inboxbench.testing.races import assert_race_free  # noqa: PLC0415

        return assert_race_free
    if name in _STATEMENTS:
        from inboxbench.testing import statements  # noqa: PLC0415

        return getattr(statements, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
