"""The messenger's chain and the same changes written naively, under the same traffic, in one table.

    python bench/proofs/prove_naive.py --dataset small --output bench/results/naive.md

Runs `inboxbench dryrun` on copies of one dataset: tests/migrations_naive, and the real revisions, which make the same
schema and the rules that keep old code working. A chain that the traffic ends (a deadlock, whose victim it is)
is run again and counted. Times are of this machine; locks, rows and errors are not.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from inboxbench.machine import describe_machine

_ROOT = Path(__file__).parents[2]
_MOST_RUNS = 8
_FAILED = 3  # the exit code of a chain that did not come through
_CHAINS = {
    "as they are": (),
    "naive": ("--script-location", str(_ROOT / "tests" / "migrations_naive")),
}
# Locks that keep out writers, or everybody.
_BLOCKING = ("SHARE", "SHARE ROW EXCLUSIVE", "EXCLUSIVE", "ACCESS EXCLUSIVE")

Run = dict[str, Any]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="small")
    parser.add_argument("--rate", type=float, default=100, help="requests a second")
    parser.add_argument("--data-dir", help="of the embedded server")
    parser.add_argument("--output", type=Path, default=_ROOT / "bench" / "results" / "naive.md")
    given = parser.parse_args()
    runs = {name: rehearse(words, given) for name, words in _CHAINS.items()}
    given.output.write_text("\n".join(page(runs, given)), encoding="utf-8")
    return 0


def rehearse(words: tuple[str, ...], given: argparse.Namespace) -> Run:
    """The record of the first dry run that came through, with what ended those before it under `ended`."""
    ended: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "run.json"
        command = [sys.executable, "-m", "inboxbench", "dryrun", "--dataset", given.dataset, "--no-rewrites"]
        command += [*words, "--rate", f"{given.rate:g}", "--output", str(record)]
        command += ["--data-dir", given.data_dir] if given.data_dir else []
        for _ in range(_MOST_RUNS):
            done = subprocess.run(command, check=False, cwd=_ROOT, stdout=subprocess.DEVNULL)
            if done.returncode not in (0, _FAILED):
                break
            run: Run = json.loads(record.read_text(encoding="utf-8"))
            if done.returncode == 0:
                return run | {"ended": ended}
            ended.append(run["error"])
    raise SystemExit(f"dryrun {' '.join(words)} did not come through: {'; '.join(ended) or done.returncode}")


def page(runs: dict[str, Run], given: argparse.Namespace) -> list[str]:
    machine = describe_machine()
    first = next(iter(runs.values()))
    return [
        "# The same changes, twice",
        "",
        f"`python bench/proofs/prove_naive.py --dataset {given.dataset}`, {dt.datetime.now(dt.UTC):%Y-%m-%d},",
        f"{first['server']}; {machine['cpu']}, {machine['cores']} cores, {machine['os']},",
        f"load {os.getloadavg()[0]:.1f} at the end. `migrations/` beside `tests/migrations_naive`.",
        f"Old code sends {given.rate:g} requests a second all the time; a stall counts from when a request was due.",
        "",
        *table("", runs, _FACTS),
        "",
        "## Longest stall of a class",
        "",
        *table("class", runs, {name: _stall(name) for name in classes(first)}),
        "",
        "## Findings",
        "",
        *table("rule", runs, {rule: _found(rule) for rule in rules(runs)}),
        "",
    ]


def table(heading: str, runs: dict[str, Run], rows: dict[str, Callable[[Run], str]]) -> list[str]:
    lines = [f"| {heading} | {' | '.join(runs)} |", "|---|" + "---:|" * len(runs)]
    return lines + [f"| {name} | {' | '.join(told(run) for run in runs.values())} |" for name, told in rows.items()]


def classes(run: Run) -> list[str]:
    return [one["class"] for one in run["traffic"]]


def rules(runs: dict[str, Run]) -> list[str]:
    counted = Counter(one["rule"] for run in runs.values() for one in run["findings"])
    return [rule for rule, _ in counted.most_common()] or ["none"]


def ms(value: float) -> str:
    return f"{value / 1000:,.1f} s" if value >= 1000 else f"{value:,.0f} ms"


def octets(value: float) -> str:
    return f"{value / 1e6:,.0f} MB"


def longest_hold(run: Run) -> str:
    """Of a lock on a table that was there before."""
    held = [
        (lock["held_ms"], lock["mode"], lock["relation"])
        for one in run["statements"]
        for lock in one["locks"]
        if lock["mode"] in _BLOCKING and lock["kind"] == "table" and not lock["created"]
    ]
    length, mode, relation = max(held)
    return f"{ms(length)} ({mode} on {relation.removeprefix('public.')})"


def _errors(run: Run) -> str:
    return f"{sum(one['errors'] for one in run['traffic']):,} of {sum(one['requests'] for one in run['traffic']):,}"


def _ended(problems: list[str]) -> str:
    return "; ".join(f"{count} ({problem})" for problem, count in Counter(problems).items()) or "0"


def _stall(name: str) -> Callable[[Run], str]:
    return lambda run: next((ms(one["max_stall_ms"]) for one in run["traffic"] if one["class"] == name), "–")


def _found(rule: str) -> Callable[[Run], str]:
    return lambda run: str(sum(one["rule"] == rule for one in run["findings"]))


_FACTS: dict[str, Callable[[Run], str]] = {
    "runs that the traffic ended before one came through": lambda run: _ended(run["ended"]),
    "revisions": lambda run: str(len(run["revisions"])),
    "the chain took": lambda run: ms(run["duration_ms"]),
    "**longest stall of a request**": lambda run: ms(max(one["max_stall_ms"] for one in run["traffic"])),
    "requests stood still, in all": lambda run: ms(sum(one["blocked_ms"] for one in run["traffic"])),
    "**errors of requests**": _errors,
    "longest hold of a lock that keeps others out": longest_hold,
    "files written anew": lambda run: str(sum(len(one["rewrites"]) for one in run["statements"])),
    "WAL": lambda run: octets(run["wal_bytes"]),
    "most disk beyond the start": lambda run: octets(run["peak_bytes"]),
}


if __name__ == "__main__":
    sys.exit(main())
