"""`inboxbench bench counters`: unread counts and list rows, counted or kept (P2.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inboxbench import units
from inboxbench.report.labs.sheet import Lab, LabTable, Row

_TITLES = {"unread": "What is unread", "list": "What the list shows"}
_READS = {"page": "List page", "neglected": "Neglected", "badge": "Badge"}


def counters_lab(document: Mapping[str, Any]) -> Lab:
    families = dict.fromkeys(one["family"] for one in document["ways"])
    return Lab(
        "counters",
        "Counters and lists: counted when asked for, or kept",
        "Pages of a list page, of a page of neglected conversations and of the badge of an inbox; WAL and pages of a "
        "message and of a look at it, its rules and indexes included; HOT: the share of updates without index entries; "
        "messages a second by so many clients, and the share of time that they waited for each other's locks; drift: "
        "rows wrong after concurrent messages and looks.",
        [_table(document, family) for family in families],
        document.get("verdict") or (),
    )


def _table(document: Mapping[str, Any], family: str) -> LabTable:
    ways = [one for one in document["ways"] if one["family"] == family]
    first = ways[0]
    crowds = [f"{crowd['clients']} client{'s' if crowd['clients'] > 1 else ''}" for crowd in first["crowds"]]
    reads = [_READS.get(name, name) for name in first["reads"]]
    stale = ["Stale"] if first.get("stale") is not None else []
    headings = [
        "Way",
        *reads,
        "WAL, message",
        "Pages, message",
        "HOT",
        "WAL, look",
        "Pages, look",
        *crowds,
        "Drift",
        *stale,
    ]
    caption = f"{_TITLES.get(family, family)}, on {document['server']}."
    return LabTable(caption, headings, [_row(one) for one in ways])


def _row(one: Mapping[str, Any]) -> Row:
    arrive, look = one["events"]["arrive"], one["events"]["look"]
    crowds = [f"{units.rate(crowd['per_s'])} ({units.share(crowd['waiting'])})" for crowd in one["crowds"]]
    stale = [units.number(one["stale"])] if one.get("stale") is not None else []
    cells = [
        one["name"],
        *(units.number(figure) for figure in one["reads"].values()),
        units.wal(arrive["wal_bytes"]),
        units.number(arrive["buffers"]),
        units.share(arrive["hot"]),
        units.wal(look["wal_bytes"]),
        units.number(look["buffers"]),
        *crowds,
        units.number(one["drift"]),
        *stale,
    ]
    return Row(cells, one["title"], "bad" if one["drift"] or one.get("stale") else "")
