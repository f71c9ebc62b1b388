"""Each rewrite that the dry run knows, run beside the naive way on a million orders under traffic: one page.

    python bench/proofs/prove_rewrites.py [--server embedded] [--data-dir DIR]

The naive history is bench/proofs/rewrites; `inboxbench dryrun` finds what is bad in it, runs what it proposes instead
on a copy of the same rows behind the same requests, and this writes both down: bench/results/rewrites.md.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from inboxbench.database import connect, scratch_database
from inboxbench.machine import describe_machine
from inboxbench.report.dry_run import compared_figures
from inboxbench.server import open_server
from inboxbench.units import DASH

_HERE = Path(__file__).resolve().parent
_FOLDER = _HERE / "rewrites"
_PAGE = _HERE.parent / "results" / "rewrites.md"
# Where a revision breaks two rules, both are shown.
_NAMES = {
    "r1": "index CONCURRENTLY",
    "r2": "CHECK NOT VALID, then VALIDATE",
    "r3": "NOT NULL through a CHECK",
    "r4": "foreign key NOT VALID, then VALIDATE",
    "r5": "foreign key of a new column inline",
    "r6": "backfill in batches, outside of the DDL's transaction",
    "r7": "type by expand and contract",
    "r8": "lock_timeout with retries",
    "r9": "a transaction split",
}
Run = dict[str, Any]


def main() -> int:
    """0 when every rewrite was run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", default="embedded")
    parser.add_argument("--data-dir", help="of the embedded server")
    parser.add_argument("--output", type=Path, default=_PAGE)
    given = parser.parse_args()
    run = rehearse(given)
    given.output.write_text("\n".join(page(run)), encoding="utf-8")
    missing = [name for name in _NAMES if not any(one["compared"] for one in of_revision(run, name))]
    print(f"{given.output}: {len(_NAMES) - len(missing)} of {len(_NAMES)} compared{': not ' * bool(missing)}"  # noqa: T201
          f"{', '.join(missing)}")  # fmt: skip
    return 1 if missing else 0


def rehearse(given: argparse.Namespace) -> Run:
    """The record of the naive history on a copy of the orders."""
    with open_server(given.server, data_dir=given.data_dir) as server, scratch_database(server, "orders") as name:
        with connect(server.conninfo(name)) as connection:
            connection.execute((_FOLDER / "orders.sql").read_bytes())
            connection.execute("VACUUM ANALYZE")
        with tempfile.TemporaryDirectory() as folder:
            record = Path(folder) / "run.json"
            command = [sys.executable, "-m", "inboxbench", "dryrun", "--database", server.url(name)]
            command += ["--script-location", str(_FOLDER), "--traffic", str(_FOLDER / "traffic.sql")]
            ended = subprocess.run([*command, "--output", str(record)], check=False, stdout=subprocess.DEVNULL)
            if ended.returncode:
                raise SystemExit(f"the dry run ended with {ended.returncode}, so there is nothing to compare")
            run: Run = json.loads(record.read_text(encoding="utf-8"))
            return run


def of_revision(run: Run, name: str) -> list[dict[str, Any]]:
    return [one for one in run["findings"] if one["revision"] == name]


def page(run: Run) -> Iterator[str]:
    machine = describe_machine()
    yield "# What the dry run proposes, run beside what was written"
    yield ""
    yield f"`python bench/proofs/prove_rewrites.py`, {dt.datetime.now(dt.UTC):%Y-%m-%d}, {run['server']};"
    yield f"{machine['cpu']}, {machine['cores']} cores, {machine['os']}."
    yield "A million orders, 200,000 customers (bench/proofs/rewrites/orders.sql), 100 requests a second (traffic.sql)"
    yield "beside both, each pair on copies of the same rows. A block is how long a lock was held that keeps others"
    yield "out, a wait what a request met. Times are this machine's; rows and locks are not."
    for name, title in _NAMES.items():
        found = of_revision(run, name)
        for finding in [one for one in found if one["compared"]] or found[:1]:
            yield from pair(title, finding)
    if run["notes"]:
        yield from ("", "## Notes of the run", "", *(f"- {note}" for note in run["notes"]))
    yield ""


def pair(title: str, finding: dict[str, Any]) -> Iterator[str]:
    yield from ("", f"## {title} ({finding['rule']})", "", finding["what"].replace("<", "&lt;"), "")
    compared = finding["compared"]
    if compared is None:
        yield "Not compared."
        return
    yield from ("|  | as written | instead |", "|---|---:|---:|")
    yield from (f"| {' | '.join(cells)} |" for cells in compared_figures(compared, DASH))
    yield from ("", "```python", compared["code"], "```")


if __name__ == "__main__":
    sys.exit(main())
