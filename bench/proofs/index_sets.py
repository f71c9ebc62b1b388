"""Records of `inboxbench bench` at several sizes as one page: targets, sets, growth. bench/results/index-sets.md.

python bench/proofs/index_sets.py SERVER MESSAGES=RUN.json …   (SERVER in words; `inboxbench bench --output RUN.json`)
"""

from __future__ import annotations

import datetime as dt
import json
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inboxbench.bench.growth.curve import fit
from inboxbench.machine import describe_machine
from inboxbench.units import size

_PAGE = Path(__file__).parents[1] / "results" / "index-sets.md"
_OWN = "recommended"

# What the set was made to meet at the largest size, in pages, in the worst class of parameters.
_TARGETS: tuple[tuple[str, tuple[str, ...], int], ...] = (
    (
        "first page of a list, every tab and sort",
        ("list_all", "list_mine", "list_unassigned", "list_assigned", "list_created", "list_waiting", "list_priority"),
        60,
    ),
    ("first page for an agent with a few inboxes", ("list_agent_inboxes", "list_quiet_agent"), 200),
    ("latest 20 messages", ("thread_latest",), 40),
    ("unread messages of a page", ("unread_page",), 200),
    ("tab counts", ("tab_counts",), 1000),
)
# The same for search, by class.
_SEARCH: tuple[tuple[str, tuple[str, ...], int], ...] = (
    ("a rare word, newest first", ("rare_ru", "rare_en", "absent"), 400),
    ("a frequent word, newest first", ("frequent_ru", "frequent_en"), 100),
    ("the worst class of a word", (), 5000),
)
_STEADY = ("list_all", "list_mine", "list_unassigned", "list_agent_inboxes", "thread_latest")


@dataclass(frozen=True, slots=True)
class Run:
    """pages: by set, query and class; None where the query was stopped."""

    messages: int
    matrix: Mapping[str, Any]
    pages: Mapping[tuple[str, str, str], int | None]

    @property
    def sets(self) -> list[str]:
        return [one["name"] for one in self.matrix["sets"]]

    def asked(self, index_set: str, query: str) -> bool:
        return any((of, asked) == (index_set, query) for of, asked, _class in self.pages)

    def worst(self, index_set: str, query: str, classes: tuple[str, ...] = ()) -> tuple[int, str] | None:
        """Most pages and in which class; None when the query was not measured or was stopped in a class."""
        found = [
            (-1 if pages is None else pages, name)
            for (of, asked, name), pages in self.pages.items()
            if (of, asked) == (index_set, query) and (not classes or name in classes)
        ]
        return None if not found or min(found)[0] < 0 else max(found)


def main() -> int:
    server, *files = sys.argv[1:] or [""]
    runs = sorted((_read(argument) for argument in files), key=lambda run: run.messages)
    if not runs:
        print(__doc__, file=sys.stderr)  # noqa: T201 - a script of its own
        return 2
    page = "\n".join([*_head(server, runs), *_goals(runs[-1]), *_costs(runs), *_growth(runs), ""])
    _PAGE.write_text(page, encoding="utf-8")
    return 0


def _read(argument: str) -> Run:
    messages, _equals, path = argument.partition("=")
    matrix = json.loads(Path(path).read_text(encoding="utf-8"))["matrix"]
    pages = {(cell["set"], cell["query"], cell["class"]): cell["buffers"] for cell in matrix["cells"]}
    return Run(int(float(messages)), matrix, pages)


def _head(server: str, runs: list[Run]) -> list[str]:
    machine = describe_machine()
    sizes = ", ".join(f"{run.messages:,}" for run in runs)
    return [
        "# Index sets by size",
        "",
        f"`inboxbench bench` at {sizes} messages, made into this page by `python bench/proofs/index_sets.py`. Pages of",
        "8 kB, each query in its worst class of parameters, rows in key order, everything vacuumed.",
        f"{dt.datetime.now(dt.UTC):%Y-%m-%d}, {server}; {machine['cpu']}, {machine['cores']} cores, {machine['os']}.",
        "The machine did other work meanwhile: build times are upper bounds, the rest is counted.",
    ]


def _goals(run: Run) -> list[str]:
    lines = ["", f"## What was asked for, at {run.messages:,} messages", ""]
    lines += [f"| | limit | {' | '.join(run.sets)} |", "|---|---:|" + "---:|" * len(run.sets)]
    for title, queries, limit in _TARGETS:
        lines.append(_goal(run, title, limit, queries, ()))
    for title, classes, limit in _SEARCH:
        lines.append(_goal(run, title, limit, ("search_word",), classes))
    return lines


def _goal(run: Run, title: str, limit: int, queries: tuple[str, ...], classes: tuple[str, ...]) -> str:
    cells = []
    for name in run.sets:
        seen = {query: run.worst(name, query, classes) for query in queries}
        pages = [worst for worst in seen.values() if worst is not None]
        cells.append(f"{max(pages)[0]:,}" if len(pages) == len(seen) else "stopped")
    return f"| {title} | {limit:,} | {' | '.join(cells)} |"


def _costs(runs: list[Run]) -> list[str]:
    lines = ["", "## What the sets cost", ""]
    lines += ["| messages | set | indexes | build | WAL of a message | WAL of an update | HOT |"]
    lines += ["|---:|---|---:|---:|---:|---:|---:|"]
    for run in runs:
        lines += [f"| {run.messages:,} | {_cost(one)} |" for one in run.matrix["sets"]]
    return lines


def _cost(one: Mapping[str, Any]) -> str:
    wal = [one[key] for key in ("insert_wal_bytes", "update_wal_bytes")]
    told = ["–" if octets is None else f"{octets:,.0f} B" for octets in wal]
    hot = "–" if one["hot_share"] is None else f"{one['hot_share']:.0%}"
    return " | ".join([one["name"], size(one["bytes"]), f"{one['build_s']:,.0f} s", *told, hot])


def _growth(runs: list[Run]) -> list[str]:
    lines = ["", f"## Growth under {_OWN}", ""]
    lines += [
        "Pages in the worst class at each size, and k of pages ~ messages^k: over all sizes with its standard error,",
        "and over the last step alone. A first page that comes in the order of an index reads at most a page of the",
        "table for each of its rows (25; a thread 20) and the height of the index: on few messages those rows share",
        "pages, so it grows until that is reached and then stays.",
        "",
        f"| query | {' | '.join(f'{run.messages:,}' for run in runs)} | k | k of the last step |",
        "|---|" + "---:|" * (len(runs) + 2),
    ]
    return lines + [_grown(runs, query["name"]) for query in runs[-1].matrix["queries"]]


def _grown(runs: list[Run], query: str) -> str:
    worst = [run.worst(_OWN, query) for run in runs]
    told = [_told(run, query, one) for run, one in zip(runs, worst, strict=True)]
    points = [(run.messages, one[0]) for run, one in zip(runs, worst, strict=True) if one is not None]
    law = fit(points) if len(points) > 2 else None
    k = f"{law.k:.2f} ± {law.k_error:.2f}" if law else "–"
    name = f"**{query}**" if query in _STEADY else query
    return f"| {name} | {' | '.join(told)} | {k} | {_last_step(points, runs)} |"


def _told(run: Run, query: str, worst: tuple[int, str] | None) -> str:
    if worst is None:
        return "stopped" if run.asked(_OWN, query) else "no such row"
    return f"{worst[0]:,} ({worst[1]})"


def _last_step(points: list[tuple[int, int]], runs: list[Run]) -> str:
    if len(points) < 2 or points[-1][0] != runs[-1].messages:
        return "–"
    (few, before), (many, now) = points[-2:]
    return f"{math.log(now / before) / math.log(many / few):.2f}"


if __name__ == "__main__":
    sys.exit(main())
