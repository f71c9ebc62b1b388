"""`inboxbench bench pages`: the list page by an ORM and by one statement (P2.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inboxbench import units
from inboxbench.report.labs.sheet import Lab, LabTable, Row

_HEADINGS = ("Way", "Statements", "Pages read", "Rows sent", "Server", "Client")


def pages_lab(document: Mapping[str, Any]) -> Lab:
    accounts = {one["id"]: one["open"] for one in document["accounts"]}
    places = dict.fromkeys((one["account"], one["size"]) for one in document["pages"])
    return Lab(
        "pages",
        "The list page: N+1, selectin, joined, LATERAL",
        "A page with contact, inbox, assignee, last message and unread count of each conversation; every way gives the "
        "same rows. Statements, pages and rows repeat; times do not.",
        [_table(document, accounts, account, size) for account, size in places],
    )


def _table(document: Mapping[str, Any], accounts: Mapping[int, int], account: int, size: int) -> LabTable:
    found = [one for one in document["pages"] if (one["account"], one["size"]) == (account, size)]
    fewest = min(one["statements"] for one in found)
    caption = f"{size} of {accounts[account]:,} open conversations of account {account}, on {document['server']}."
    return LabTable(caption, _HEADINGS, [_row(one, fewest) for one in found])


def _row(one: Mapping[str, Any], fewest: int) -> Row:
    counts = (units.number(one[name]) for name in ("statements", "buffers", "rows"))
    times = (units.millis(one[name]) for name in ("server_ms", "client_ms"))
    return Row([one["way"], *counts, *times], "", "bad" if one["statements"] > one["size"] > fewest else "")
