"""Kill commands at random moments, and look what they leave: databases, files, processes, shared memory, containers.

    python bench/proofs/prove_faults.py --moments 200 --points 50 --output bench/results/faults.md

After SIGTERM and SIGHUP nothing may be left; after SIGKILL nothing that `inboxbench dataset prune` (for `server start`:
the next start) does not remove. Other people's databases on the same server are dumped before and after. A migration
that was killed and run again ends with the catalogue and the rows of one that was not.
"""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import os
import random
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from inboxbench import __version__
from inboxbench.lifetime import unwind_on_signals
from inboxbench.machine import describe_machine
from inboxbench.server.binaries import find_bindir
from inboxbench.server.environment import without_libpq
from inboxbench.server.handle import Embedded

_ROOT = Path(__file__).parents[2]
_MARK = "INBOXBENCH_FAULTS"  # in the environment of whatever belongs to this proof
_PATIENCE_S = 90.0
_SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP)
_START = "server start"
_COMMANDS: dict[str, list[str]] = {
    "seed": ["seed", "tiny", "--rows", "20000", "--workers", "2", "--seed"],
    "seed into somebody's": ["seed", "tiny", "--rows", "20000", "--database", "target", "--allow-foreign"],
    "bench": ["bench", "--profile", "tiny", "--queries", "thread_latest", "--sets", "recommended", "--fresh"],
    "race": ["race", "stress", "--strategy", "skip-locked", "--workers", "16", "--seconds", "3"],
    "gate": ["gate", "--queries", "thread_latest"],
    "dryrun": ["dryrun"],
    _START: ["server", "start"],
}
_ON_URL = {"seed", "seed into somebody's", "bench", "race", "gate"}
_FOREIGN = """
    CREATE TABLE orders (id int PRIMARY KEY, note text);
    INSERT INTO orders SELECT n, 'order ' || n FROM generate_series(1, 1000) n;
    CREATE VIEW open_orders AS SELECT * FROM orders WHERE id > 500;
    CREATE FUNCTION total() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM orders';
"""
_TABLES = "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname !~ '^pg_|^information_schema'"


@dataclass
class World:
    """Where commands are run: a folder for what they write, and the URL of a server that is somebody's."""

    folder: Path
    url: str
    image: str | None

    @property
    def environment(self) -> dict[str, str]:
        """Temporary files and the cache lie in the folder, so that they can be counted."""
        places = {"TMPDIR": str(self.folder / "tmp"), "XDG_CACHE_HOME": str(self.folder / "cache")}
        return without_libpq() | places | {_MARK: str(self.folder)}

    def server(self, kind: str) -> list[str]:
        named = {"url": self.url, "container": f"container:{self.image}", "embedded": "embedded"}
        where = ["--data-dir", str(self.folder / "tmp")] if kind == "embedded" else []
        return ["--server", named[kind], *where]

    def start(self, words: Sequence[str]) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "inboxbench", *words]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen(command, env=self.environment, start_new_session=True, cwd=_ROOT, **quiet)  # type: ignore[call-overload,no-any-return]

    def run(self, *words: str) -> int:
        return self.start(words).wait()

    def dump(self, name: str) -> str:
        """A digest of a database's schema and rows, in whatever order they lie; a moment of today says when it ran."""
        program = str(find_bindir(Embedded()) / "pg_dump")
        said = subprocess.run([program, "--dbname", self.database(name)], capture_output=True, check=True).stdout
        said = re.sub(rb"%s [\d:.]+\+00" % f"{dt.datetime.now(dt.UTC):%Y-%m-%d}".encode(), b"today", said)
        lines = (line for line in said.splitlines() if not line.startswith((b"\\restrict", b"\\unrestrict")))
        return hashlib.sha256(b"\n".join(sorted(lines))).hexdigest()

    def database(self, name: str) -> str:
        return self.url.replace("/postgres?", f"/{name}?")

    def state(self) -> dict[str, set[str]]:
        """What is there that a command can leave."""
        with psycopg.connect(self.url) as connection:
            databases = {str(name) for (name,) in connection.execute("SELECT datname FROM pg_database")}
        with psycopg.connect(self.database("target")) as connection:
            databases |= {f"target: {name}" for (name,) in connection.execute(_TABLES)}
        return {
            "databases": databases,
            "files": {path.name for path in (self.folder / "tmp").iterdir()},
            "processes": self.processes(),
            "shared memory": self.orphans(),
            "containers": self.containers(),
        }

    def processes(self) -> set[str]:
        """Processes that have our mark in their environment, but for the server that is somebody's."""
        mark, found = f"{_MARK}={self.folder}".encode(), set()
        for path in Path("/proc").glob("[0-9]*/environ"):
            try:
                ours = mark in path.read_bytes().split(b"\0")
                line = (path.parent / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if ours and line and str(self.folder / "theirs") not in line and not line.startswith("postgres: "):
                found.add(f"{path.parent.name} {line[:80]}")
        return found

    @staticmethod
    def orphans() -> set[str]:
        """Segments of PostgreSQL that no process of this machine has mapped."""
        segments = {str(path) for path in Path("/dev/shm").glob("PostgreSQL.*")}  # noqa: S108
        for path in Path("/proc").glob("[0-9]*/maps"):
            try:
                segments -= {line.split()[-1] for line in path.read_text().splitlines() if "/dev/shm/" in line}  # noqa: S108
            except OSError:
                continue
        return segments

    def containers(self) -> set[str]:
        if self.image is None:
            return set()
        command = ["docker", "ps", "-aq", "--filter", "label=inboxbench.owner"]
        return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


@dataclass
class Tally:
    """Of one command, server and signal: how often it was hit, and what was left at last."""

    moments: int = 0
    ended_before: int = 0
    found: int = 0
    left: list[str] = field(default_factory=list)


def more(after: dict[str, set[str]], before: dict[str, set[str]]) -> list[str]:
    return [f"{kind}: {name}" for kind, names in after.items() for name in sorted(names - before[kind])]


def settled(world: World, before: dict[str, set[str]]) -> list[str]:
    """What is left when guards and workers have had their time."""
    deadline = time.monotonic() + _PATIENCE_S / 3
    while (left := more(world.state(), before)) and time.monotonic() < deadline:
        if not any(name.startswith("processes") for name in left):
            break
        time.sleep(0.2)
    return left


def strike(world: World, pair: tuple[str, str], number: signal.Signals, longest: float, tally: Tally) -> None:
    """Kill one command at one moment, and note what is left."""
    name, kind = pair
    words = [*_COMMANDS[name], *([str(random.randrange(1000, 10**6))] if name == "seed" else [])]
    before = world.state()
    process = world.start([*words, *world.server(kind)])
    tally.moments += 1
    try:
        process.wait(random.uniform(0.05, longest))
        tally.ended_before += 1
    except subprocess.TimeoutExpired:
        (os.killpg if number == signal.SIGHUP else os.kill)(process.pid, number)  # a terminal's goes to all
        process.wait(_PATIENCE_S)
    left = settled(world, before)
    if name == _START:
        left = _after_start(world, before)
    elif number == signal.SIGKILL and left:
        tally.found += 1
        if name == "seed into somebody's":
            world.run(*words, *world.server(kind))
            world.run("dataset", "list", *world.server(kind))
        world.run("dataset", "prune", *world.server(kind))
        left = settled(world, before)
    left = _without_results(world, name, kind, left)
    tally.left += [f"{signal.Signals(number).name} {problem}" for problem in left]


def _after_start(world: World, before: dict[str, set[str]]) -> list[str]:
    """The next start must work, whatever the killed one left; then the server is removed."""
    started = world.run("server", "start", *world.server("embedded"))
    stopped = world.run("server", "stop", "--remove", *world.server("embedded"))
    problems = [] if (started, stopped) == (0, 0) else [f"the next start ended with {started}, stop with {stopped}"]
    return problems + settled(world, before)


def _without_results(world: World, name: str, kind: str, left: list[str]) -> list[str]:
    """Take away what a command makes for the user: a dataset that is whole, rows in somebody's database."""
    tables = [item for item in left if item.startswith("databases: target: ")]
    if name == "seed into somebody's" and len(tables) > 1 and not any("inboxbench_loading" in item for item in tables):
        with psycopg.connect(world.url, autocommit=True) as connection:
            connection.execute("DROP DATABASE target WITH (FORCE)")
            connection.execute("CREATE DATABASE target")
        left = [item for item in left if item not in tables]
    whole = [item for item in left if item.startswith("databases: inboxbench_ds_") and name != "seed into somebody's"]
    for item in whole:
        if world.run("dataset", "rm", item.partition(": ")[2], *world.server(kind)) == 0:
            left = [other for other in left if other != item]
    return left


def migrations(world: World, points: int) -> tuple[int, list[str]]:
    """Kill `migrate upgrade` at `points` moments each on a copy of its own; returns the differences at the end."""
    world.run("seed", "tiny", "--rows", "20000", *world.server("url"))
    with psycopg.connect(world.url) as connection:
        rows = connection.execute("SELECT datname FROM pg_database WHERE datname ~ '^inboxbench_ds_tiny_20k_s1_v'")
        dataset = str((rows.fetchone() or ("",))[0])
    begun = time.monotonic()
    expected = _migrated(world, dataset, None)
    longest, problems, killed = time.monotonic() - begun, [], 0
    for point in range(points):
        number = _SIGNALS[point % len(_SIGNALS)]
        killed += 1
        if _migrated(world, dataset, (number, random.uniform(0.2, longest))) != expected:
            problems.append(f"{number.name} at point {point}: another catalogue or other rows")
    return killed, problems


def _migrated(world: World, dataset: str, strike_at: tuple[signal.Signals, float] | None) -> str:
    name = "inboxbench_fault"
    world.run("dataset", "clone", dataset, name, *world.server("url"))
    words = ["migrate", "upgrade", "--database", name, *world.server("url")]
    try:
        if strike_at:
            process = world.start(words)
            try:
                process.wait(strike_at[1])
            except subprocess.TimeoutExpired:
                os.kill(process.pid, strike_at[0])
                process.wait(_PATIENCE_S)
        code = world.run(*words)
        return f"{code} {world.dump(name)}"
    finally:
        world.run("dataset", "rm", name, *world.server("url"))


def page(tallies: dict[tuple[str, str, str], Tally], foreign: list[str], moved: tuple[int, list[str]]) -> list[str]:
    rows = [
        f"| {name} | {kind} | {number} | {tally.moments} | {tally.ended_before} | {tally.found} | {len(tally.left)} |"
        for (name, kind, number), tally in sorted(tallies.items())
    ]
    problems = [f"- {key[0]} on {key[1]}: {item}" for key, tally in sorted(tallies.items()) for item in tally.left]
    count = sum(tally.moments for tally in tallies.values())
    return [
        f"{count} commands were killed at random moments. *Left something*: after SIGKILL, before `dataset prune` or",
        "the next run. *Left for good*: databases, files, processes, shared memory, containers that are there after.",
        "",
        "| command | server | signal | moments | had ended | left something | left for good |",
        "|---|---|---|---:|---:|---:|---:|",
        *rows,
        "",
        *problems,
        f"Databases of others on that server, dumped before and after: {', '.join(foreign)}.",
        "",
        f"`migrate upgrade` killed at {moved[0]} points and run again: {len(moved[1])} ended with another catalogue or",
        "other rows than an uninterrupted run.",
        *[f"- {problem}" for problem in moved[1]],
        "",
    ]


def title(begun: dt.datetime, version: str) -> list[str]:
    machine = describe_machine()
    return [
        "# What killed commands leave",
        "",
        f"- Command: `python bench/proofs/prove_faults.py {shlex.join(sys.argv[1:])}`",
        f"- Date: {begun:%Y-%m-%d %H:%M} UTC, inboxbench {__version__}",
        f"- Machine: {machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GiB, {machine['os']}; "
        f"load {os.getloadavg()[0]:.1f} at the end",
        f"- Server: {version.partition(',')[0]}",
        "",
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moments", type=int, default=200)
    parser.add_argument("--points", type=int, default=50, help="at which migrations are killed")
    parser.add_argument("--within", type=float, help="kill in the first so many seconds, instead of anywhere in a run")
    parser.add_argument("--seed", type=int, default=1, help="of the random moments")
    parser.add_argument("--image", help="container image to try as well")
    parser.add_argument("--output", type=Path, default=_ROOT / "bench" / "results" / "faults.md")
    given = parser.parse_args()
    random.seed(given.seed)
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)  # what is ignored here would be ignored by the commands
    unwind_on_signals()
    begun = dt.datetime.now(dt.UTC)
    with tempfile.TemporaryDirectory(prefix="faults") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "theirs").mkdir()
        (folder / "tmp").mkdir()
        (folder / "tmp").chmod(0o1777)
        world = World(
            folder, f"postgresql://postgres@/postgres?host={folder}/theirs/embedded-18&port=5432", given.image
        )
        try:
            return prove(world, given, begun)
        finally:
            world.run("server", "stop", "--remove", "--data-dir", str(folder / "theirs"))


def prove(world: World, given: argparse.Namespace, begun: dt.datetime) -> int:
    world.run("server", "start", "--data-dir", str(world.folder / "theirs"))
    others = ["shop", "inboxbench_mine"]
    with psycopg.connect(world.url, autocommit=True) as connection:
        for name in (*others, "target"):
            connection.execute(f"CREATE DATABASE {name}".encode())
        version = str((connection.execute("SELECT version()").fetchone() or ("",))[0])
    for name in others:
        with psycopg.connect(world.database(name)) as connection:
            connection.execute(_FOREIGN)
    dumped = {name: world.dump(name) for name in others}
    pairs = [(name, kind) for name in _COMMANDS for kind in _kinds(name, given.image)]
    longest = {pair: given.within or _length(world, *pair) for pair in pairs}
    tallies: dict[tuple[str, str, str], Tally] = defaultdict(Tally)
    for moment in range(given.moments):
        name, kind = pairs[moment % len(pairs)]
        number = _SIGNALS[(moment // len(pairs) + moment % len(pairs)) % len(_SIGNALS)]
        strike(world, (name, kind), number, longest[name, kind], tallies[name, kind, number.name])
    moved = migrations(world, given.points)
    foreign = [f"{name} {'the same' if world.dump(name) == digest else 'CHANGED'}" for name, digest in dumped.items()]
    world.run("server", "stop", "--remove", "--data-dir", str(world.folder / "theirs"))
    for tally in tallies.values():
        tally.left = [problem for problem in tally.left if not _gone(problem)]
    given.output.write_text("\n".join(title(begun, version) + page(tallies, foreign, moved)), encoding="utf-8")
    failed = moved[1] or any(tally.left for tally in tallies.values()) or any("CHANGED" in item for item in foreign)
    return 3 if failed else 0


def _gone(problem: str) -> bool:
    """Return whether a segment of shared memory went with the server that stood by: a segment that is pinned there need
    be mapped by no process at the moment."""
    kind, _, path = problem.rpartition(" ")
    return kind.endswith("shared memory:") and not Path(path).exists()


def _kinds(name: str, image: str | None) -> list[str]:
    """On which servers a command is tried; into somebody's database only where there is one."""
    if name == "seed into somebody's":
        return ["url"]
    on_container = ["container"] if image and name in ("seed", "race") else []
    return ["embedded", *(["url"] if name in _ON_URL else []), *on_container]


def _length(world: World, name: str, kind: str) -> float:
    """Seconds that the command takes when nobody disturbs it, so that moments lie in all of it."""
    before, begun = world.state(), time.monotonic()
    world.run(*_COMMANDS[name], *(["999"] if name == "seed" else []), *world.server(kind))
    seconds = time.monotonic() - begun
    if name == _START:
        _after_start(world, before)
    _without_results(world, name, kind, [item for item in more(world.state(), before) if name.startswith("seed")])
    return seconds


if __name__ == "__main__":
    sys.exit(main())
