"""`inboxbench bench growth`: how reads grow with the data, predicted, and checked by building."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inboxbench import units
from inboxbench.report.labs.sheet import Lab, LabTable, Row, shown


def growth_lab(document: Mapping[str, Any]) -> Lab:
    found = document["growth"]
    sizes = [f"{one['messages']:,}" for one in found["scales"]]
    check = [f"{found['check']['messages']:,} predicted", "Measured", "Off"] if found["check"] else []
    far = [f"Extrapolated to {size:,.0f}" for size in found["sizes"]]
    curves = [_row(one, found) for one in found["curves"]]
    rows, order = shown(curves, "Pages by number of messages, the fastest growing first")
    caution = " What is extrapolated nobody has built: value, and an 80 % interval." if far else ""
    headings = ("Query [class]", "Set", *sizes, "k of n^k", *check, *far, "Plan")
    return Lab(
        "growth",
        "How reads grow",
        f"Buffers ~ n^k, fitted to sizes that were built.{caution}",
        [LabTable(order, headings, rows, words=2)],
        [found["headline"], *found["notes"]],
    )


def _row(one: Mapping[str, Any], found: Mapping[str, Any]) -> Row:
    points = [units.number(point["buffers"]) for point in one["points"]]
    law = units.DASH if one["k"] is None else f"{one['k']:.2f} ± {one['k_error']:.2f}"
    check = _check(one["check"]) if found["check"] else []
    known = {size["messages"]: size for size in one["extrapolated"]}
    far = [_far(known.get(size)) for size in found["sizes"]]
    missed = bool(one["check"]) and one["check"]["held"] is False
    cells = [f"{one['query']} [{one['class']}]", one["set"], *points, law, *check, *far]
    return Row([*cells, "flips" if one["flips"] else ""], "", "bad" if missed else "")


def _check(check: Mapping[str, Any] | None) -> list[str]:
    if check is None:
        return [units.DASH] * 3
    predicted = check["predicted"]["value"] if check["predicted"] else None
    off = units.DASH if check["error"] is None else f"{check['error']:+.0%}"
    return [units.number(predicted and round(predicted)), units.number(check["buffers"]), off]


def _far(size: Mapping[str, Any] | None) -> str:
    """Empty where no law could be fitted."""
    if size is None or size["uncertain"] or size.get("value") is None:
        return "too uncertain" if size and size["uncertain"] else units.DASH
    low, high = (units.number(round(size[name])) for name in ("low", "high"))
    return f"{'' if size['one_plan'] else '? '}{units.number(round(size['value']))} ({low} to {high})"
