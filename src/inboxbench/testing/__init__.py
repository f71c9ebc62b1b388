"""What a test suite uses. `plugin` is found by pytest by itself; importing either costs nothing until it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inboxbench.testing.races import assert_race_free as assert_race_free

__all__ = ["assert_race_free"]


def __getattr__(name: str) -> Any:
    """The explorer is imported when somebody asks for it, not in every run of pytest."""
    if name == "assert_race_free":
        from inboxbench.testing.races import assert_race_free  # noqa: PLC0415

        return assert_race_free
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
