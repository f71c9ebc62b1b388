"""Does `race spec` print what PostgreSQL's own isolationtester prints, on PostgreSQL's own specs?

    python bench/proofs/prove_isolation.py FOLDER --server embedded

FOLDER holds specs/*.spec and expected/*.out, as src/test/isolation of PostgreSQL's source does. Each spec is run by the
real program in a database named isolation_regression, with the settings of pg_isolation_regress, and by ours. A spec
counts when the text of the real program is one of its expected files, white space aside, as pg_isolation_regress
compares; ours then has to be the same file, letter for letter, or equal what the real program printed. All of ours run
in this one process. Exit code 1 when one differs or all of them take more than twice the time of the real program.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
from psycopg.conninfo import make_conninfo

from inboxbench.database import connect, scratch_database, set_on_database
from inboxbench.errors import InboxbenchError
from inboxbench.files import read_text
from inboxbench.race.isolationtester.parser import parse_spec_file
from inboxbench.race.isolationtester.permutations import run_spec
from inboxbench.server import Server, open_server, parse_spec

_TESTER = "pgxs/src/test/isolation/isolationtester"
_NAME = "isolation_regression"
_ENVIRONMENT = {
    "PGTZ": "America/Los_Angeles",
    "PGDATESTYLE": "Postgres, MDY",
    "LC_MESSAGES": "C",
}
_MOST = 2.0  # times of the real program's time


@dataclass(frozen=True, slots=True)
class Run:
    """text: standard output and error; seconds: with the making of its database left out."""

    text: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Compared:
    name: str
    theirs: Run
    ours: Run
    expected: tuple[str, ...]

    @property
    def passes(self) -> bool:
        """Return whether the real program passes, as pg_isolation_regress judges."""
        return any(_squeezed(self.theirs.text) == _squeezed(text) for text in self.expected)

    @property
    def equal(self) -> bool:
        return self.ours.text in (*self.expected, self.theirs.text)


def _squeezed(text: str) -> list[str]:
    return ["".join(line.split()) for line in text.splitlines()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--server", default="embedded")
    parser.add_argument("--only", help="names of specs, with commas between")
    parser.add_argument("--differences", type=Path, help="write both texts of what differs into this folder")
    given = parser.parse_args()
    names = given.only.split(",") if given.only else _scheduled(given.folder)
    with open_server(parse_spec(given.server)) as server, _regression(server) as conninfo:
        results = []
        for name in names:
            results.append(_compare(server, conninfo, given.folder, name))
            click.echo(_line(results[-1]), err=True)
    if given.differences:
        _write(given.differences, results)
    click.echo(f"PostgreSQL {server.version // 10000}: {_summary(results)}")
    sys.exit(1 if _wrong(results) else 0)


def _scheduled(folder: Path) -> list[str]:
    """Return the specs of the schedule in its order, all for a folder without one."""
    schedule = folder / "isolation_schedule"
    if schedule.is_file():
        lines = [line.split() for line in schedule.read_text(encoding="utf-8").splitlines()]
        return [name for words in lines if words[:1] == ["test:"] for name in words[1:]]
    return sorted(path.stem for path in (folder / "specs").glob("*.spec"))


@contextmanager
def _regression(server: Server) -> Iterator[str]:
    """Make the database that the specs are written for, as pg_isolation_regress does; the server is ours."""
    with connect(server.conninfo()) as connection:
        connection.execute(f"CREATE DATABASE {_NAME} TEMPLATE template0".encode())
        for setting in ("lc_messages", "lc_monetary", "lc_numeric", "lc_time"):
            set_on_database(connection, _NAME, setting, "C")
        set_on_database(connection, _NAME, "compute_query_id", "regress")
        yield server.conninfo(_NAME)
        connection.execute(f"DROP DATABASE {_NAME} WITH (FORCE)".encode())


def _compare(server: Server, conninfo: str, folder: Path, name: str) -> Compared:
    path = folder / "specs" / f"{name}.spec"
    files = sorted((folder / "expected").glob(f"{name}.out")) + sorted((folder / "expected").glob(f"{name}_?.out"))
    expected = tuple(file.read_text(encoding="utf-8") for file in files)
    return Compared(name, _theirs(server, conninfo, path), _ours(server, path), expected)


def _theirs(server: Server, conninfo: str, path: Path) -> Run:
    session = {"options": "-c intervalstyle=postgres_verbose", "application_name": f"isolation/{path.stem}"}
    begun = time.monotonic()
    done = subprocess.run(
        [_tester(server), make_conninfo(conninfo, **session)],
        input=path.read_bytes(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **_ENVIRONMENT},
        check=False,
    )
    return Run(done.stdout.decode(errors="replace"), time.monotonic() - begun)


def _tester(server: Server) -> Path:
    folder = server.program("postgres").parent.parent / "lib"
    return next(path for path in (folder / _TESTER, folder / "postgresql" / _TESTER) if path.is_file())


def _ours(server: Server, path: Path) -> Run:
    lines: list[str] = []
    with scratch_database(server, "spec") as name:
        begun = time.monotonic()
        try:
            run_spec(parse_spec_file(path, read_text(path)), server.conninfo(name), lines.append, lines.append)
        except InboxbenchError as error:
            lines.append(f"(ours) {error}")
        seconds = time.monotonic() - begun
    return Run("".join(f"{line}\n" for line in lines), seconds)


def _line(result: Compared) -> str:
    verdict = "equal" if result.equal else "DIFFERS"
    judged = verdict if result.passes else f"{verdict}; the real program itself does not pass"
    return f"{result.name}: {judged} ({result.theirs.seconds:.2f} s, ours {result.ours.seconds:.2f} s)"


def _summary(results: list[Compared]) -> str:
    passing = [result for result in results if result.passes]
    theirs, ours = (sum(getattr(result, key).seconds for result in passing) for key in ("theirs", "ours"))
    differing = [result.name for result in passing if not result.equal]
    return (
        f"the real program passes {len(passing)} of {len(results)} specs, of which ours prints "
        f"{len(passing) - len(differing)} alike, in {theirs:.1f} s and {ours:.1f} s, {ours / theirs:.2f} times"
        + (f"; differs: {', '.join(differing)}" if differing else "")
    )


def _wrong(results: list[Compared]) -> bool:
    passing = [result for result in results if result.passes]
    slow = sum(result.ours.seconds for result in passing) > _MOST * sum(result.theirs.seconds for result in passing)
    return slow or not all(result.equal for result in passing)


def _write(folder: Path, results: list[Compared]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for result in results:
        if not result.equal:
            (folder / f"{result.name}.ours").write_text(result.ours.text, encoding="utf-8")
            (folder / f"{result.name}.theirs").write_text(result.theirs.text, encoding="utf-8")


if __name__ == "__main__":
    main()
