"""What `inboxbench advise` proposes for TPC-H beside what its peers propose, by processor time at equal bytes.

    python bench/proofs/prove_advise.py --url postgresql://…/tpch --queries tpch/queries --server bin:DIR \
        --dexter dexter/ --output bench/results/advise.md

URL: a database with the tables of TPC-H, their primary keys and rows, with hypopg and index_advisor (its SQL file run
there). QUERIES: the 22 queries, a file each. DEXTER: a clone of its repository, whose gem runs with Debian's ruby-pg,
ruby-pg-query and ruby-slop. Every set is built on a clone of one template, and the queries are executed on all of them,
one pass after the other, each pass beginning with another set; the processor time is that of the server's process
(/proc/PID/schedstat).
"""

from __future__ import annotations

import argparse
import datetime as dt
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg

from inboxbench import __version__, units
from inboxbench.advise.check import Times, compare_times
from inboxbench.advise.run import Asked, advise
from inboxbench.bench.request import prepared_request
from inboxbench.bench.sets.builder import SetBuilder
from inboxbench.bench.sets.indexset import Index, IndexSet
from inboxbench.database_copy import copied
from inboxbench.machine import describe_machine
from inboxbench.project import Loose
from inboxbench.server import Server, open_server

_TIMEOUT_S = 8.0
_DEFINITION = re.compile(r"CREATE INDEX .*?ON (?:public\.)?(.+)", re.DOTALL)
_FOUND = re.compile(r"Index found: (?:public\.)?(\S+ \(.+\))")


@dataclass(frozen=True)
class Entrant:
    """A set that somebody proposes; seconds: what the proposal took."""

    name: str
    definitions: tuple[str, ...]
    seconds: float = 0.0
    remark: str = ""

    @property
    def index_set(self) -> IndexSet:
        indexes = tuple(Index(f"set_{number}_idx", text) for number, text in enumerate(self.definitions, 1))
        return IndexSet(self.name, self.name, "", indexes)


def by_index_advisor(url: str, queries: Sequence[str]) -> Entrant:
    """Return the indexes that index_advisor proposes for any of the queries."""
    begun, found = time.monotonic(), dict[str, None]()
    with psycopg.connect(url, autocommit=True, prepare_threshold=None) as connection:  # it runs DEALLOCATE ALL
        for query in queries:
            row = connection.execute("SELECT index_statements FROM index_advisor(%s)", (query.strip().rstrip(";"),))
            for statement in (row.fetchone() or ([],))[0] or []:
                if match := _DEFINITION.fullmatch(statement):
                    found[match[1]] = None
    return Entrant("index_advisor", tuple(found), time.monotonic() - begun)


def by_dexter(url: str, folder: Path, queries: Sequence[str]) -> Entrant:
    """Return the indexes that dexter finds in a file of the queries."""
    begun = time.monotonic()
    script = folder / "queries-of-the-proof.sql"
    script.write_text("\n".join(query.strip().rstrip(";") + ";" for query in queries))
    words = ["ruby", "-Ilib", "exe/dexter", url, "--input-format", "sql", str(script.resolve())]
    try:
        said = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True).stdout
    finally:
        script.unlink()
    return Entrant("dexter", tuple(dict.fromkeys(_FOUND.findall(said))), time.monotonic() - begun)


def by_advise(  # noqa: PLR0917
    server: Server, name: str, project: Loose, size: int | None, seconds: float | None, label: str
) -> Entrant:
    """Return the set that `inboxbench advise` finds within bytes and seconds (None: without a limit)."""
    begun = time.monotonic()
    asked = Asked(bytes=size, seconds=seconds, check=False)
    found = advise(server, name, project, asked, as_is=True, progress=_say)
    definitions = tuple(index.definition for index in found.indexes)
    ended = f", ended by {found.stopped}" if found.stopped else ""
    remark = f"{found.tried} sets, {found.built} indexes built{ended}"
    return Entrant(label, definitions, time.monotonic() - begun, remark)


def _say(_done: int, _total: int, text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _announced(text: str) -> None:
    _say(0, 0, text)


def measured(
    server: Server, name: str, project: Loose, entrants: Sequence[Entrant], passes: int
) -> tuple[Times, dict[str, int]]:
    """Return the times under all sets of the queries that all of them answer in time, and the bytes of each."""
    sets = [entrant.index_set for entrant in entrants]
    with prepared_request(server, name, project, sets=[], writes=False, timeout_s=_TIMEOUT_S, as_is=True) as request:
        cases = request.workload.cases if passes else ()
        times = compare_times(server, request, sets, cases, _announced, passes=passes)
        sizes = {}
        with SetBuilder(server, request.template, sets) as builder:
            for index_set in sets:
                with builder.built(index_set, lambda _text: None) as (_name, built):
                    sizes[index_set.name] = sum(part.bytes for part in built.required())
    return times, sizes


def page(entrants: Sequence[Entrant], times: Times, sizes: dict[str, int], label: str, passes: int) -> str:
    """Return the result in Markdown."""
    machine = describe_machine()
    lines = [
        "# Index sets that are proposed for TPC-H, by processor time", "",
        f"- Command: `python {shlex.join(_shown(sys.argv))}`",
        f"- Date: {dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC, inboxbench {__version__}",
        f"- Machine: {machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GiB, {machine['os']}",
        f"- Server: {label}; {passes} passes, by {times.clock}",
        f"- Queries: the {len(times.by_query)} that every set answers within {_TIMEOUT_S:g} s", "",
        "| proposed by | indexes | bytes | CPU of all queries | beside none | proposal took | worst query to none |",
        "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    none = sum(spent[0] for spent in times.by_query.values())
    for place, entrant in enumerate(entrants):
        spent = sum(found[place] for found in times.by_query.values())
        worst = max(times.by_query, key=lambda name: times.by_query[name][place] / times.by_query[name][0])
        ratio = times.by_query[worst][place] / times.by_query[worst][0]
        remark = f" ({entrant.remark})" if entrant.remark else ""
        lines.append(
            f"| {entrant.name} | {len(entrant.definitions)} | {units.size(sizes[entrant.name])} | "
            f"{units.seconds(spent / 1000)} | {spent / none:.2f}× | {units.seconds(entrant.seconds)}{remark} | "
            f"{worst} {ratio:.2f}× |"
        )
    lines += ["", "Milliseconds of each query:", ""]
    lines += [f"| query | {' | '.join(entrant.name for entrant in entrants)} |", "|---" * (len(entrants) + 1) + "|"]
    for name, row in sorted(times.by_query.items()):
        lines.append(f"| {name} | {' | '.join(units.number(value) for value in row)} |")
    for entrant in entrants:
        lines += ["", f"{entrant.name}:", "", *(f"- `{text}`" for text in entrant.definitions or ("nothing",))]
    return "\n".join(lines) + "\n"


def _shown(words: Sequence[str]) -> list[str]:
    """Return the command without this machine's folders."""
    return [
        re.sub(r"(postgresql://)\S+", r"\1…/tpch", Path(word).name if word.startswith("/") else word) for word in words
    ]


def main() -> None:
    """Run the proof and write its page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True)
    parser.add_argument("--queries", type=Path, required=True)
    parser.add_argument("--server", default="embedded")
    parser.add_argument("--data-dir")
    parser.add_argument("--dexter", type=Path)
    parser.add_argument("--seconds", type=float, help="of each search; without it, until nothing gains any more")
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument("--output", type=Path)
    asked = parser.parse_args()
    queries = [path.read_text(encoding="utf-8") for path in sorted(asked.queries.glob("*.sql"))]
    project = Loose(asked.queries.resolve(), catalogue=asked.queries.resolve() / "indexes.toml")
    entrants = [Entrant("none", ()), by_index_advisor(asked.url, queries)]
    if asked.dexter:
        entrants.append(by_dexter(asked.url, asked.dexter, queries))
    with open_server(asked.server, data_dir=asked.data_dir) as server, copied(server, asked.url) as copy:
        ours = by_advise(server, copy.name, project, None, asked.seconds, "advise")
        _times, sizes = measured(server, copy.name, project, [*entrants, ours], 0)
        limit = sizes["index_advisor"]
        entrants.append(ours)
        if sizes["advise"] > limit:
            label = "advise, in the bytes of index_advisor"
            entrants.append(by_advise(server, copy.name, project, limit, asked.seconds, label))
        times, sizes = measured(server, copy.name, project, entrants, asked.passes)
        text = page(entrants, times, sizes, server.label, asked.passes)
    if asked.output:
        asked.output.write_text(text, encoding="utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
