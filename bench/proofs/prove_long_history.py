"""Long histories through the dry run: 10,000, 100,000 and 1,000,000 statements in one transaction, on a real server.

A revision locks a table and then writes to it row by row, by another statement each time, as a loop over rows of an ORM
does. Shown are the processor time of what comes after the history has ended (reading the log, giving each statement
its locks and its revision, finding what the rules say, writing JSON, text, Markdown and the page), and how much memory
the process has more at the end than before the run. Each size runs in a process of its own.
Writes bench/results/long_history.md.

    python bench/proofs/prove_long_history.py [--sizes 10000,100000,1000000] [--output FILE]
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import psutil
from rich.console import Console

from inboxbench.cli.dryrun.output import show_run
from inboxbench.database import connect, scratch_database
from inboxbench.dryrun.model import DryRun
from inboxbench.dryrun.output.markdown import as_markdown
from inboxbench.dryrun.rules import with_findings
from inboxbench.dryrun.run import rehearse
from inboxbench.dryrun.tools.alembic import Alembic
from inboxbench.machine import describe_machine
from inboxbench.report.dry_run import render_dry_run
from inboxbench.server import open_server, parse_spec

_ROWS = 20_000
_DATA = f"""
    CREATE TABLE orders (id int PRIMARY KEY, quantity int NOT NULL, note text);
    INSERT INTO orders SELECT n, n % 7, 'note' FROM generate_series(1, {_ROWS}) AS n;
"""
_ENVIRONMENT = """
import os
from alembic import context
from sqlalchemy import create_engine
url = os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://", 1)
with create_engine(url).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
_REVISION = '''
"""row by row"""
from alembic import op
revision, down_revision = "long", None

def upgrade():
    op.execute("ALTER TABLE orders ADD COLUMN total int")
    driver = op.get_bind().connection.driver_connection
    with driver.pipeline(), driver.cursor() as cursor:
        for number in range({statements}):
            key = number % {rows} + 1
            cursor.execute(f"UPDATE orders SET total = quantity * {{number}} WHERE id = {{key}}")
            if number % 1000 == 999:
                driver.execute("SELECT 1").fetchall()
'''


def main() -> int:
    """Return 0 when each size keeps to a millisecond and 5 kB a statement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="10000,100000,1000000")
    parser.add_argument("--output", type=Path, default=Path(__file__).parents[1] / "results" / "long_history.md")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        click.echo(json.dumps(_measured(given.one)))
        return 0
    rows = [_in_its_own_process(int(size)) for size in given.sizes.split(",")]
    given.output.write_text(_page(rows), encoding="utf-8")
    click.echo(_page(rows))
    return 0 if all(row["processing_ms"] <= 1 and row["kept_bytes"] <= 5_000 for row in rows) else 1


def _in_its_own_process(statements: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--one", str(statements)]
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    row: dict[str, float] = json.loads(ended.stdout.splitlines()[-1])
    click.echo(f"{row}", err=True)
    return row


def _measured(statements: int) -> dict[str, float]:
    """Figures a statement. The poll of a run takes processor time as long as the history runs, which is not counted."""
    process = psutil.Process()
    with tempfile.TemporaryDirectory() as folder, open_server(parse_spec("embedded")) as server:
        scripts = _scripts(Path(folder), statements)
        with scratch_database(server, "long") as name:
            with connect(server.conninfo(name)) as connection:
                connection.execute(_DATA)
                connection.execute("VACUUM ANALYZE orders")
            before = process.memory_info().rss
            ended: list[float] = []
            run = rehearse(
                server, name, Alembic(script_location=scripts), source="rows", begin=None, target="head",
                say=lambda _text: ended.append(time.process_time()),
            )  # fmt: skip
    run = with_findings(run, Alembic(script_location=scripts))
    _shown(run)
    processing = time.process_time() - ended[0]
    gc.collect()
    kept = process.memory_info().rss - before
    return {
        "statements": run.statement_count,
        "history_s": run.duration_ms / 1000,
        "processing_s": processing,
        "processing_ms": processing * 1000 / statements,
        "kept_bytes": kept / statements,
        "findings": len(run.findings),
        "json_kb": len(json.dumps(run.to_json())) / 1024,
    }


def _scripts(folder: Path, statements: int) -> Path:
    (folder / "versions").mkdir()
    (folder / "env.py").write_text(_ENVIRONMENT, encoding="utf-8")
    revision = _REVISION.format(statements=statements, rows=_ROWS)
    (folder / "versions" / "long.py").write_text(revision, encoding="utf-8")
    return folder


def _shown(run: DryRun) -> None:
    with Path("/dev/null").open("w", encoding="utf-8") as nowhere:
        show_run(Console(file=nowhere), run)
    as_markdown(run)
    render_dry_run(json.loads(json.dumps(run.to_json())))


def _page(rows: list[dict[str, float]]) -> str:
    lines = [
        "# Long histories",
        "",
        "A revision that locks a table and writes to it row by row, in one transaction, by "
        "`python bench/proofs/prove_long_history.py`. Processing: processor time from the end of the history to the "
        f"last output. {_machine()}.",
        "",
        "| statements | history | processing | a statement | kept a statement | findings | JSON |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        lines.append(
            f"| {row['statements']:,.0f} | {row['history_s']:.1f} s | {row['processing_s']:.1f} s | "
            f"{row['processing_ms']:.3f} ms | {row['kept_bytes'] / 1000:.2f} kB | {row['findings']:.0f} | "
            f"{row['json_kb']:.0f} KiB |"
        )
    return "\n".join([*lines, ""])


def _machine() -> str:
    return ", ".join(f"{key} {value}" for key, value in describe_machine().items())


if __name__ == "__main__":
    sys.exit(main())
