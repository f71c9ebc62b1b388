"""The messenger's labs as tables, made of the JSON that they write: counters and lists kept or counted, list pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from inboxbench import units
from inboxbench.disturbance import disturbance
from inboxbench.messenger.claims import claims_lab
from inboxbench.messenger.costs.measure import BACKLOG, CONVERSATIONS, NEGLECTED, UNREAD
from inboxbench.messenger.costs.rules import Rule
from inboxbench.messenger.costs.run_rules import CostRow
from inboxbench.report.document import Lab, Labs
from inboxbench.report.table import Cell, Column, Row, Table, figures, words

_TITLES = {"unread": "unread messages", "list": "the operator's list"}
_READS = {"page": "list page", "neglected": "neglected", "badge": "badge"}
_COUNTERS = (
    f"An office with {CONVERSATIONS} conversations of {UNREAD} unread messages each and {len(NEGLECTED)} of {BACKLOG} "
    "(neglected). Buffers are 8 kB pages: of a list page of 25, of one of neglected conversations, of the badge of the "
    "inbox; of a message with its rules and indexes, and of an agent's look. updates: rows updated by a message, HOT: "
    "their share without index entries. N clients: messages a second by pgbench, and the share of the time that they "
    "waited for each other's locks; advisory on a busy machine, all else is the same on every run. drift: rows wrong "
    "after concurrent messages and looks, by a recount; stale: after a colleague's name changed."
)
_PAGES = (
    "A page with contact, inbox, assignee, last message and unread count of each conversation; all ways give the same "
    "rows. Statements, pages (8 kB) and rows are the same on every run; times are not. Rows: sent by the server. "
    "Server: its own time for all statements; client: until the rows are objects, median."
)


def counters_lab(document: Mapping[str, Any]) -> Lab:
    """Return the tables and sentences of what `inboxbench bench counters` wrote."""
    families = dict.fromkeys(way["family"] for way in document["ways"])
    return Lab(
        "counters",
        "Counters and lists: counted when asked for, or kept",
        _COUNTERS,
        [_ways_table(document, family) for family in families],
        document.get("verdict") or (),
    )


def _ways_table(document: Mapping[str, Any], family: str) -> Table:
    ways = [way for way in document["ways"] if way["family"] == family]
    first = ways[0]
    crowds = [f"{crowd['clients']} client{'s' if crowd['clients'] > 1 else ''}/s" for crowd in first["crowds"]]
    columns = [
        *words("way"),
        *figures(units.number, *(_READS.get(name, name) for name in first["reads"])),
        Column("WAL, message", units.wal),
        *figures(units.number, "pages, message", "updates"),
        Column("HOT", units.share),
        Column("WAL, look", units.wal),
        *figures(units.number, "pages, look", *crowds, "drift", "stale"),
    ]
    title = f"{_TITLES.get(family, family)} on {document['server']} (→ the messenger's way)"
    notes = [note for way in ways if (note := disturbance(way["name"], way.get("disturbed")))]
    return Table(title, columns, [_way_row(way) for way in ways], notes)


def _way_row(way: Mapping[str, Any]) -> Row:
    arrive, look = way["events"]["arrive"], way["events"]["look"]
    crowds = [f"{units.rate(crowd['per_s'])} ({units.share(crowd['waiting'])})" for crowd in way["crowds"]]
    wrong = way["drift"] or way.get("stale")
    cells = [
        Cell(f"→ {way['name']}" if way.get("ours") else way["name"], "bad" if wrong else ""),
        *way["reads"].values(),
        *(arrive[name] for name in ("wal_bytes", "buffers")),
        arrive.get("updates"),
        arrive["hot"],
        *(look[name] for name in ("wal_bytes", "buffers")),
        *crowds,
        *(way["drift"], way.get("stale")),
    ]
    return Row(cells, tone="bad" if wrong else "", note=way["title"])


def pages_lab(document: Mapping[str, Any]) -> Lab:
    """Return the tables and sentences of what `inboxbench bench pages` wrote."""
    places = dict.fromkeys((page["account"], page["size"]) for page in document["pages"])
    tables = [_pages_table(document, *place) for place in places]
    return Lab("pages", "The list page: N+1, selectin, joined, LATERAL", _PAGES, tables, _pages_told(document["pages"]))


def _pages_table(document: Mapping[str, Any], account: int, size: int) -> Table:
    accounts = {account["id"]: account["open"] for account in document["accounts"]}
    pages = [page for page in document["pages"] if (page["account"], page["size"]) == (account, size)]
    fewest = min(page["statements"] for page in pages)
    columns = [
        *words("way"),
        *figures(units.number, "statements", "pages read", "rows sent"),
        *figures(units.millis, "server", "client"),
    ]
    title = f"{size} of {accounts[account]:,} open conversations of account {account}, on {document['server']}"
    return Table(title, columns, [_page_row(page, fewest) for page in pages])


def _page_row(page: Mapping[str, Any], fewest: int) -> Row:
    figures_of = (page[name] for name in ("statements", "buffers", "rows", "server_ms", "client_ms"))
    return Row([page["way"], *figures_of], tone="bad" if page["statements"] > page["size"] > fewest else "")


def _pages_told(pages: list[Mapping[str, Any]]) -> list[str]:
    """Return what the figures say, in words."""
    by_way = {way: [page for page in pages if page["way"] == way] for way in dict.fromkeys(p["way"] for p in pages)}
    sentences = []
    if by_way.get("lazy") and by_way.get("lateral"):
        worst = max(by_way["lazy"], key=lambda page: int(page["statements"]))
        place = (worst["account"], worst["size"])
        same = next(page for page in by_way["lateral"] if (page["account"], page["size"]) == place)
        sentences.append(
            f"lazy loading asks {worst['statements']} times for a page of {worst['size']}, one LATERAL statement once: "
            f"{worst['client_ms'] / max(same['client_ms'], 0.001):.1f} times as long for the client."
        )
    for way, mine in by_way.items():
        counts = sorted({page["statements"] for page in mine})
        alike = len(counts) == 1
        said = f"{counts[0]} for every page" if alike else f"{counts[0]} to {counts[-1]}, by what is on the page"
        sentences.append(f"{way}: statements {said}.")
    return sentences


_RULES = (
    "→ is what the messenger does. statements: that the client sends, BEGIN and COMMIT aside; buffers: 8 kB pages of "
    "tables and indexes touched, also by triggers; time: median, commit included. ✓ ✗: holds, or breaks, at READ "
    "COMMITTED in the cell of the atlas that is named; – nothing races."
)
_SAFE = {True: "✓", False: "✗", None: units.DASH}


def rules_lab(costs: Sequence[CostRow], rules: Sequence[Rule], server: str) -> Lab:
    """Return the table of what `inboxbench race costs` measured, by rule."""
    columns = [*words("way", "what it does"), *figures(units.number, "statements", "buffers")]
    columns += [Column("WAL", units.wal), Column("time", units.millis), *words("atlas")]
    by_name = {rule.name: rule for rule in rules}
    rows = [_rule_row(cost, by_name[cost.rule]) for cost in costs]
    notes = [f"{rule.name}: {rule.title} ({', '.join(rule.ids)})" for rule in rules]
    notes += [note for cost in costs if (note := disturbance(f"{cost.rule}, {cost.alternative}", cost.disturbed))]
    table = Table(f"Rules on {server}", columns, rows, notes)
    return Lab("costs", "What the messenger's rules cost, and what their alternatives would", _RULES, [table], [_RULES])


def _rule_row(cost: CostRow, rule: Rule) -> Row:
    meaning = next(way.meaning for way in rule.alternatives if way.name == cost.alternative)
    name = f"→ {cost.alternative}" if cost.ours else cost.alternative
    atlas = f"{_SAFE[cost.safe]} {cost.atlas}" if cost.atlas else _SAFE[None]
    figures_of = (cost.statements, cost.buffers, cost.wal_bytes, cost.ms)
    return Row([name, meaning, *figures_of, atlas], group=f"{rule.name}, per {rule.unit}")


LABS: Labs = {"ways": counters_lab, "pages": pages_lab, "claims": claims_lab}
