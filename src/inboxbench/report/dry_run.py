"""A dry run on a page and in the verdict: statements, their locks, the stalls and the latency of traffic on one clock.

It reads the JSON of `inboxbench dryrun`, also of an older version.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from jinja2 import Environment

from inboxbench import units
from inboxbench.report.charts.clock import Clock, Span, clock, span, time_scale
from inboxbench.report.charts.scale import Scale
from inboxbench.report.model import NOTICED_MS
from inboxbench.report.page import environment, style
from inboxbench.report.table import Column, Row, Table, figures, words
from inboxbench.report.words import Finding, Sentence, Strong
from inboxbench.sqltree.tokens import in_a_line

BLOCKING = ("ACCESS EXCLUSIVE", "EXCLUSIVE", "SHARE ROW EXCLUSIVE", "SHARE")
_STALLS, _STATEMENTS, _SQL = 40, 60, 120  # rows, rows, characters
_UNITS = {"ms": units.millis, "bytes": units.size}
_FELT = "Live traffic: what each class of requests waited for, from the moment each was due"


def dry_run_finding(document: Mapping[str, Any], source: str) -> Finding:
    """Return the sentences of the verdict; source: where the document comes from.

    The tone is `bad` where the history or a request failed, or a finding that nobody has accepted is an error.
    """
    failed = sum(traffic["errors"] for traffic in document["traffic"])
    unaccepted = [finding for finding in document["findings"] if not finding.get("suppressed")]
    errors = [finding for finding in unaccepted if finding["severity"] == "error"]
    ran = f"{len(document['revisions'])} revisions, {statement_count(document)} statements ({source})."
    sentences: list[Sentence] = [(ran,)]
    if document["error"]:
        sentences.append((Strong("It failed: "), str(document["error"])))
    if document["traffic"]:
        sentences += _waits(document, failed)
    sentences.append(_found(len(unaccepted), len(errors)))
    return Finding("Dry run", tuple(sentences), "bad" if document["error"] or failed or errors else "good")


def _waits(document: Mapping[str, Any], failed: int) -> Iterator[Sentence]:
    """Yield the longest wait that was not the instrument's, and the instrument's longest standstill."""
    worst = max(document["traffic"], key=waited_ms)
    waited = Strong(units.millis(waited_ms(worst)))
    errors = f"; {failed:,} requests failed." if failed else "; no request failed."
    yield ("The longest that a request took: ", waited, f" ({worst['class']})", errors)
    still = max(document["traffic"], key=lambda traffic: traffic.get("still_ms") or 0.0)
    if (still.get("still_ms") or 0.0) >= NOTICED_MS:
        yield standstill(still["class"], still["max_stall_ms"], still["still_ms"])


def standstill(name: str, stall_ms: float | None, still_ms: float | None) -> Sentence:
    """Return a sentence on a stall that the instrument's own standstill made, which is no wait for the migration."""
    return (
        "Not counted: this machine itself stood still for ",
        Strong(units.millis(still_ms)),
        f" of a stall of {units.millis(stall_ms)} ({name}).",
    )


def waited_ms(traffic: Mapping[str, Any]) -> float:
    """Return the longest wait of a class without the instrument's standstill; older documents cannot tell the two
    apart.
    """
    waited = traffic.get("max_wait_ms")
    return float(traffic["max_stall_ms"] if waited is None else waited)


def statement_count(document: Mapping[str, Any]) -> int:
    """Return how many statements ran; a record may keep only those that somebody could notice."""
    return int(document.get("statement_count") or len(document["statements"]))


def worst_stall(traffic: Mapping[str, Any]) -> str:
    """Return the longest stall of a class, and how much of it the instrument itself stood still."""
    still = traffic.get("still_ms") or 0.0
    stall = units.millis(traffic.get("max_stall_ms"))
    return stall if still < NOTICED_MS else f"{stall}, of it {units.millis(still)} a standstill of this machine"


def _found(count: int, errors: int) -> Sentence:
    if not count:
        return ("No finding.",)
    return (Strong(f"{count} finding{'s' if count > 1 else ''}"), f", {errors} of them errors.")


def render_dry_run(run: Mapping[str, Any]) -> str:
    """Return the page for the JSON of `inboxbench dryrun`."""
    page = _environment().get_template("dry_run_page.html.j2")
    return page.render(dry=run, level=2, clock=dry_run_clock(run), style=style())


def dry_run_clock(run: Mapping[str, Any]) -> Clock:
    """From the first statement to the end of the last lock or stall."""
    begin = first_start(run)
    scale = time_scale(_end(run) - begin)
    return clock(scale, _rows(run, scale, begin), run["traffic"], begin)


def _end(run: Mapping[str, Any]) -> float:
    statements = run["statements"]
    ends = [statement["started_ms"] + statement["duration_ms"] for statement in statements]
    ends += [lock["taken_ms"] + lock["held_ms"] for statement in statements for lock in statement["locks"]]
    ends += [stall["started_ms"] + stall["duration_ms"] for traffic in run["traffic"] for stall in traffic["stalls"]]
    return max(ends, default=1.0)


def _rows(run: Mapping[str, Any], scale: Scale, origin: float) -> dict[str, list[Span]]:
    """Lanes by name: statements, then tables as they were first locked, then classes that stalled."""
    rows: dict[str, list[Span]] = {"statements": []}
    for statement in run["statements"]:
        begin = statement["started_ms"] - origin
        hint = f"{statement['revision'] or ''} {brief(statement)}: {units.millis(statement['duration_ms'])}"
        tone = "l-rewrite" if statement["rewrites"] else "l-run"
        rows["statements"].append(span(scale, begin, statement["duration_ms"], tone, hint))
        for name, lock in _locks(statement, scale, origin):
            rows.setdefault(name, []).append(lock)
    for traffic in run["traffic"]:
        for stall in traffic["stalls"]:
            hint = f"{traffic['class']} waited {units.millis(stall['duration_ms'])}"
            waited = span(scale, stall["started_ms"] - origin, stall["duration_ms"], "l-stall", hint)
            rows.setdefault(f"stalled: {traffic['class']}", []).append(waited)
    return rows


def _locks(statement: Mapping[str, Any], scale: Scale, origin: float) -> Iterator[tuple[str, Span]]:
    for lock in statement["locks"]:
        if keeps_out(lock):
            hint = f"{lock['mode']} for {units.millis(lock['held_ms'])}, by {brief(statement)}"
            tone = "l-reads" if lock["mode"] == "ACCESS EXCLUSIVE" else "l-writes"
            locked = span(scale, lock["taken_ms"] - origin, lock["held_ms"], tone, hint)
            yield f"locked: {bare(lock['relation'])}", locked


def compared_figures(compared: Mapping[str, Any], zero: str = "") -> list[tuple[str, str, str]]:
    """Return a row a figure: its name, of the original, of the rewrite; those that have a title come first.

    Without traffic nobody waited and nothing failed that could be measured: such figures are not there. zero: what is
    written for a zero, else the figure with its unit.
    """

    def say(name: str, value: float | None) -> str:
        return zero if zero and not value else _UNITS.get(name.rpartition("_")[2], units.number)(value)

    original, rewrite = compared["original"], compared["rewrite"]
    titles = compared.get("titles") or {}
    names = dict.fromkeys((*(name for name in titles if name in original), *original, *rewrite))
    titled = [(name, titles.get(name) or name.replace("_", " ")) for name in names]
    return [(title, say(name, original.get(name)), say(name, rewrite.get(name))) for name, title in titled]


def traffic_table(traffic: Iterable[Mapping[str, Any]]) -> Table:
    """Return what each class of requests waited for; traffic: that part of the document."""
    columns = [
        *words("request"),
        Column("kind", words=True, detail=True),
        *figures(units.number, "requests", "errors", "deadlocks"),
        *figures(units.millis, "p50", "p99", "worst stall", "blocked", "queued behind"),
    ]
    return Table(_FELT, columns, [_traffic_row(summary) for summary in traffic])


def _traffic_row(summary: Mapping[str, Any]) -> Row:
    counts = (summary["requests"], summary["errors"], summary["deadlocks"])
    waited = (worst_stall(summary), summary["blocked_ms"], summary.get("queued_ms"))
    times = (summary["p50_ms"], summary["p99_ms"], *waited)
    error = summary.get("first_error") or ""
    return Row([summary["class"], summary["kind"], *counts, *times], tone="bad" if error else "", note=error)


def stalls_table(run: Mapping[str, Any]) -> Table | None:
    """Return the 40 longest stalls with their cause, the longest first; None where nobody was held up."""
    stalls = [(traffic["class"], stall) for traffic in run["traffic"] for stall in traffic["stalls"]]
    stalls.sort(key=lambda pair: -pair[1]["duration_ms"])
    statements = {statement["number"]: statement for statement in run["statements"]}
    begin = first_start(run)
    columns = [*words("request"), Column("waited", units.millis), Column("at"), *words("for", "because of")]
    rows = [_stall_row(name, stall, statements, begin) for name, stall in stalls[:_STALLS]]
    return Table("The longest stalls, and what caused them", columns, rows) if rows else None


def statements_table(run: Mapping[str, Any]) -> Table:
    """Return the statements that ran or kept a table locked for longest, the longest first."""
    longest = sorted(run["statements"], key=lambda statement: -_longest_ms(statement))[:_STATEMENTS]
    columns = [*words("statement", "revision"), Column("took", units.millis), Column("WAL", units.size)]
    title = f"{len(longest)} of {statement_count(run)} statements, by the longest that one ran or kept a table locked"
    return Table(title, [*columns, *words("kept locked")], [_statement_row(statement) for statement in longest])


def _statement_row(statement: Mapping[str, Any]) -> Row:
    locks = (lock for lock in statement["locks"] if keeps_out(lock))
    kept = ", ".join(f"{bare(lock['relation'])} {lock['mode']} {units.millis(lock['held_ms'])}" for lock in locks)
    return Row([brief(statement), statement["revision"], statement["duration_ms"], statement["wal_bytes"], kept])


def keeps_out(lock: Mapping[str, Any]) -> bool:
    """Return whether it keeps somebody out of a relation that was there before: nobody writes to a view."""
    inner = lock["kind"] == "toast" or lock["relation"].startswith("pg_toast.")
    if inner or lock["created"] or lock.get("covered"):
        return False
    never_written = lock["kind"] in ("view", "materialized view", "type")
    return lock["mode"] == BLOCKING[0] if never_written else lock["mode"] in BLOCKING


def brief(statement: Mapping[str, Any]) -> str:
    """Return its SQL on one line, the beginning of it; of many that are folded into one, with their number."""
    return in_a_line(statement["sql"], _SQL, statement.get("times") or 1)


def bare(relation: str) -> str:
    return relation.removeprefix("public.")


def first_start(run: Mapping[str, Any]) -> float:
    """Return when the first statement began, ms on the run's clock."""
    return min((float(statement["started_ms"]) for statement in run["statements"]), default=0.0)


def _stall_row(name: str, stall: Mapping[str, Any], statements: Mapping[int, Any], begin: float) -> Row:
    at = f"{(stall['started_ms'] - begin) / 1000:.1f} s"
    culprit = statements.get(stall.get("statement") or 0)
    during = "" if stall.get("held") else "no lock in the way; meanwhile: "
    said = f"{during}{culprit['revision'] or ''} {brief(culprit)}".strip() if culprit else units.DASH
    return Row([name, stall["duration_ms"], at, _reason(stall), said])


def _reason(stall: Mapping[str, Any]) -> str:
    still = stall.get("still_ms") or 0.0
    if still > stall["duration_ms"] / 2:
        return f"the tool's own clock stood still for {units.millis(still)} of it"
    if not stall.get("held"):
        return units.DASH
    words = f"{stall.get('wanted') or 'a lock'} on {bare(stall.get('relation') or '?')}, against {stall['held']}"
    behind = f" behind {stall['behind']}" if stall.get("behind") else ""
    return f"{words}, queued{behind}" if stall.get("queued") else words


def _longest_ms(statement: Mapping[str, Any]) -> float:
    held = [lock["held_ms"] for lock in statement["locks"] if keeps_out(lock)]
    return float(max(statement["duration_ms"], *held, 0.0))


FILTERS = {"compared": compared_figures, "ran": statement_count}
TABLES = {"traffic_table": traffic_table, "stalls_table": stalls_table, "statements_table": statements_table}


@cache
def _environment() -> Environment:
    page = environment()
    page.filters.update(FILTERS)
    page.globals.update(TABLES)
    return page
