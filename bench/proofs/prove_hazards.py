"""The hazard catalogue of tests/ on two servers, as one table: bench/results/hazards.md.

python bench/proofs/prove_hazards.py [SERVER …]; without, the embedded 18 and the local 15 where there is one.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from inboxbench.machine import describe_machine

_ROOT = Path(__file__).parents[2]
_TESTS = _ROOT / "tests" / "integration" / "dryrun" / "observe"
_OLDER = Path("/usr/lib/postgresql/15/bin")
_FACTS = ("locks", "rewritten", "scans", "blocks")


def main() -> int:
    """0 when every server agrees with the catalogue."""
    servers = sys.argv[1:] or ["embedded", *([f"bin:{_OLDER}"] if _OLDER.is_dir() else [])]
    runs = [_run(server) for server in servers]
    table = _table([seen for _, seen in runs])
    if _OLDER.is_dir() or sys.argv[1:]:
        (_ROOT / "bench" / "results" / "hazards.md").write_text(table, encoding="utf-8")
    print(table)  # noqa: T201 - a script of its own
    return max(status for status, _ in runs)


def _run(server: str) -> tuple[int, dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "seen.json"
        command = [sys.executable, "-m", "pytest", "-q", "--server", server, str(_TESTS / "test_lock_attribution.py")]
        ended = subprocess.run(command, env={**os.environ, "INBOXBENCH_HAZARDS": str(output)}, cwd=_ROOT, check=False)
        if not output.is_file():
            sys.exit(f"the catalogue's tests wrote no record on {server} (pytest ended with {ended.returncode})")
        return ended.returncode, json.loads(output.read_text(encoding="utf-8"))


def _table(runs: list[dict[str, Any]]) -> str:
    cases = tomllib.loads((_TESTS / "hazards.toml").read_text(encoding="utf-8"))["hazard"]
    versions = [run["server"].rpartition(" ")[2] for run in runs]
    lines = [
        f"# What {len(cases)} operations lock, rewrite, scan and block",
        "",
        f"Observed on {', '.join(run['server'] for run in runs)}; {_machine()}; {dt.datetime.now(dt.UTC):%Y-%m-%d}. "
        "orders 1 M rows, customers, spare and doomed 0.2 M. By `make prove-hazards`; the words are those of "
        "`tests/integration/dryrun/observe/hazards.toml`. Times (on a machine busy with other work) and "
        "WAL are indicative, the rest is exact; *same* is what "
        f"{versions[0]} shows. *Not asked*: it commits by itself, so that nobody could look while it had its "
        "locks, whose modes say whom they keep out.",
        "",
        f"| | operation | locks | rewritten | scans | blocks | ms | WAL kB | {' | '.join(versions[1:])} |",
        "|---|---|---|---|---|---|---:|---:|" + "---|" * (len(versions) - 1),
    ]
    return "\n".join([*lines, *(_row(case, runs) for case in cases), ""])


def _machine() -> str:
    facts = describe_machine()
    return f"{facts['cpu']}, {facts['cores']} cores, {facts['os']}"


def _row(case: dict[str, Any], runs: list[dict[str, Any]]) -> str:
    first, *others = (run["seen"].get(case["id"]) for run in runs)
    if first is None:
        return f"| {case['id']} | {case['title']} | not on this server |" + " |" * 6
    facts = [first[key] or "–" for key in _FACTS]
    if case.get("run") == "alone" and not first["error"]:
        facts[-1] = "not asked"
    if first["error"]:
        facts[0] = f"**ERROR: {first['error']}**"
    figures = [f"{first['ms']:,.0f}", f"{first['wal'] / 1000:,.0f}"]
    return f"| {' | '.join([case['id'], case['title'], *facts, *figures, *(_same(first, one) for one in others)])} |"


def _same(first: dict[str, Any], other: dict[str, Any] | None) -> str:
    if other is None:
        return "not there yet"
    different = [f"{key}: {other[key] or '–'}" for key in (*_FACTS, "error") if other[key] != first[key]]
    return "; ".join(different) or "same"


if __name__ == "__main__":
    sys.exit(main())
