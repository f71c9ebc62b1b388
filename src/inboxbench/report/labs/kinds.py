"""Which lab a document is of, by the key that only it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from inboxbench.errors import UsageError
from inboxbench.report.labs.counters import counters_lab
from inboxbench.report.labs.decay import decay_lab
from inboxbench.report.labs.drop_one import drop_one_lab
from inboxbench.report.labs.growth import growth_lab
from inboxbench.report.labs.load import load_lab
from inboxbench.report.labs.pages import pages_lab
from inboxbench.report.labs.sheet import Lab
from inboxbench.report.labs.traps import traps_lab

KINDS: Mapping[str, Callable[[Mapping[str, Any]], Lab]] = {
    "ways": counters_lab,
    "pages": pages_lab,
    "traps": traps_lab,
    "decay": decay_lab,
    "drop_one": drop_one_lab,
    "growth": growth_lab,
    "load": load_lab,
}


def kind_of(document: Mapping[str, Any]) -> str | None:
    return next((key for key in KINDS if key in document), None)


def read_lab(document: Mapping[str, Any], source: str) -> Lab:
    """Raises UsageError, naming the source and the key, for what no lab wrote."""
    kind = kind_of(document)
    if kind is None:
        raise UsageError(f"{source}: holds no result of a lab; name what `inboxbench bench LAB --output FILE` wrote.")
    try:
        return KINDS[kind](document)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        why = f"{type(error).__name__}: {error}"
        raise UsageError(f"{source}: {kind!r} is not as `inboxbench bench` writes it: {why}; measure again") from error
