"""The cost of a statement against the processor time that it takes: fitted on TPC-H, tried on the messenger.

    pip install tpchgen-cli && tpchgen-cli -s 0.1 --output-dir tpch
    python bench/proofs/prove_cost.py tpch --output bench/results/cost.md

Each query of both workloads is executed under each index set, all sets in turn (round after round, so that what else
the machine does falls on all alike); its processor time is that of its server process (/proc/PID/schedstat), the
median of the rounds, so that a busy machine changes it little. Counters come from EXPLAIN, as `inboxbench bench` takes
them.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from statistics import median

import numpy as np
import psycopg
from scipy.optimize import nnls
from scipy.stats import spearmanr

from inboxbench.bench.execute.session import Probe, open_probe, prepared
from inboxbench.bench.request import prepared_request
from inboxbench.bench.sets.builder import SetBuilder
from inboxbench.bench.sets.indexset import Index, IndexSet
from inboxbench.bench.verdict.cost import PLANNING, ROW, TEMP
from inboxbench.bench.workload.queries import GIVEN, Case
from inboxbench.database import connect, scratch_database
from inboxbench.explain import Plan
from inboxbench.machine import describe_machine
from inboxbench.project import find_project
from inboxbench.seed.datasets.dataset import load_dataset
from inboxbench.server import Server, open_server
from inboxbench.sqlfile import QueryFile, read_sections

_SQL = read_sections(__file__)
_TABLES = ("region", "nation", "supplier", "part", "partsupp", "customer", "orders", "lineitem")
_TIMEOUT_S = 20.0
_FOREIGN = (
    "lineitem (l_partkey, l_suppkey)", "lineitem (l_suppkey)", "orders (o_custkey)", "partsupp (ps_suppkey)",
    "customer (c_nationkey)", "supplier (s_nationkey)",
)  # fmt: skip
_DATES = ("lineitem (l_shipdate)", "lineitem (l_receiptdate)", "orders (o_orderdate)")
_COVERING = (
    "lineitem (l_shipdate) INCLUDE (l_extendedprice, l_discount, l_quantity)",
    "lineitem (l_partkey) INCLUDE (l_quantity)", "part (p_brand, p_container)", "part (p_size)",
)  # fmt: skip
# A set whose sorts and hashes do not fit in memory.
_SPILLING = "foreign, work_mem 1 MB"
_MESSENGER_SETS = ("baseline", "owners", "chatwoot", "recommended")


@dataclass
class Reading:
    """A query under a set: its counters, and microseconds of processor time of each execution."""

    name: str
    index_set: str
    plan: Plan
    cpu_us: list[float] = field(default_factory=list)

    @property
    def parts(self) -> tuple[float, float, float, float]:
        return self.plan.buffers, self.plan.visited, self.plan.temp, self.plan.planning

    @property
    def cpu(self) -> float:
        return median(self.cpu_us)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tpch", type=Path, help="folder of the .tbl files that tpchgen-cli made")
    parser.add_argument("--profile", default="small", help="of the messenger")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--data-dir", help="of the embedded server")
    parser.add_argument("--output", type=Path, default=Path(__file__).parents[1] / "results" / "cost.md")
    given = parser.parse_args()
    with open_server("embedded", data_dir=given.data_dir) as server:
        fitted = read_tpch(server, given.tpch, given.rounds)
        tried = read_messenger(server, given.profile, given.rounds)
    given.output.write_text("\n".join(page(fitted, tried, given)), encoding="utf-8")
    return 0


def read_tpch(server: Server, folder: Path, rounds: int) -> list[Reading]:
    sets = [IndexSet(name, name, "", _indexes(name, parts)) for name, parts in {
        "keys": (), "foreign": _FOREIGN, "dates": (*_FOREIGN, *_DATES), "covering": (*_FOREIGN, *_COVERING),
        _SPILLING: _FOREIGN,
    }.items()]  # fmt: skip
    names = [name for name in _SQL if name != "tables"]
    cases = [
        Case(QueryFile(Path(name), name, name, "tpch", (), {}, (), "ordered", _SQL[name]), GIVEN, {}) for name in names
    ]
    with scratch_database(server, "tpch") as database:
        with connect(server.conninfo(database), autocommit=True) as connection:
            connection.execute(_SQL["tables"])
            for table in _TABLES:
                lines = (folder / f"{table}.tbl").read_text(encoding="utf-8").replace("|\n", "\n")
                with connection.cursor().copy(f"COPY {table} FROM STDIN (DELIMITER '|')".encode()) as copy:
                    copy.write(lines)
            connection.execute("VACUUM (FREEZE, ANALYZE)")
        return measure(server, database, sets, cases, rounds)


def _indexes(name: str, definitions: Sequence[str]) -> tuple[Index, ...]:
    return tuple(Index(f"{name[:7]}_{number}", definition) for number, definition in enumerate(definitions))


def read_messenger(server: Server, profile: str, rounds: int) -> list[Reading]:
    project = find_project(None)
    dataset = load_dataset(server, profile, 1, at="head", project=project)
    with prepared_request(server, dataset.name, project, sets=list(_MESSENGER_SETS), writes=False) as request:
        return measure(server, request.template, request.sets, request.workload.cases, rounds)


def measure(
    server: Server, template: str, sets: Sequence[IndexSet], cases: Sequence[Case], rounds: int
) -> list[Reading]:
    with ExitStack() as stack:
        builder = stack.enter_context(SetBuilder(server, template, sets))
        probes = {}
        for index_set in sets:
            name, _built = stack.enter_context(builder.built(index_set, lambda _name: None))
            probe = stack.enter_context(open_probe(server, name, timeout_s=_TIMEOUT_S))
            if index_set.name == _SPILLING:
                probe.connection.execute("SET work_mem = '1MB'")
            probes[index_set.name] = probe
        readings = []
        for case in cases:
            readings += _measure(probes, case, rounds)
        return readings


def _measure(probes: Mapping[str, Probe], case: Case, rounds: int) -> list[Reading]:
    found = []
    with ExitStack() as stack:
        runs = []
        for name, probe in probes.items():
            try:
                execute = stack.enter_context(prepared(probe.connection, case))
                probe.explain(execute, case.query)
                reading = Reading(case.name, name, probe.explain(execute, case.query))
            except psycopg.errors.QueryCanceled:
                continue
            found.append(reading)
            repeats = max(1, min(50, int(5 / max(reading.plan.execution_ms, 0.01))))
            runs.append((reading, probe, execute, repeats))
        for number in range(rounds):
            for reading, probe, execute, repeats in runs if number % 2 else reversed(runs):  # A B B A
                with _processor_time(probe, reading, repeats):
                    for _ in range(repeats):
                        with probe.undone(case.query):
                            probe.connection.execute(execute)
    return found


@contextmanager
def _processor_time(probe: Probe, reading: Reading, repeats: int) -> Iterator[None]:
    """Add the microseconds that the server's process ran during the block, for each of so many executions."""
    path = Path(f"/proc/{probe.connection.info.backend_pid}/schedstat")
    begun = int(path.read_text(encoding="ascii").split()[0])
    yield
    reading.cpu_us.append((int(path.read_text(encoding="ascii").split()[0]) - begun) / 1000 / repeats)


def fit(readings: Sequence[Reading]) -> tuple[float, ...]:
    """Return microseconds a page, a row, a temporary page, a page of planning, and an execution, none below zero, by
    least squares of the relative error."""
    parts = np.array([[*reading.parts, 1.0] for reading in readings])
    cpu = np.array([reading.cpu for reading in readings])
    weights, _rest = nnls(parts / cpu[:, None], np.ones(len(cpu)))
    return tuple(float(weight) for weight in weights)


def correlation(readings: Sequence[Reading], weights: Sequence[float]) -> float:
    costs = [float(np.dot(reading.parts, weights)) for reading in readings]
    return float(spearmanr(costs, [reading.cpu for reading in readings]).statistic)


def direction(readings: Sequence[Reading], weights: Sequence[float]) -> tuple[int, int]:
    """Return how often the cost says which of two sets takes a query less time, of the pairs that differ by a fifth."""
    right = pairs = 0
    for first, second in combinations(readings, 2):
        if first.name != second.name or max(first.cpu, second.cpu) < 1.2 * min(first.cpu, second.cpu):
            continue
        costs = [float(np.dot(reading.parts, weights)) for reading in (first, second)]
        pairs += 1
        right += (costs[0] < costs[1]) == (first.cpu < second.cpu) and costs[0] != costs[1]
    return right, pairs


def page(fitted: Sequence[Reading], tried: Sequence[Reading], given: argparse.Namespace) -> list[str]:
    machine = describe_machine()
    weights = fit(fitted)
    rows: dict[str, Sequence[float]] = {
        "pages alone": (1, 0, 0, 0),
        "2 µs a page, 0.2 µs a row": (2, 0.2, 0, 0),
        f"fitted on TPC-H: {', '.join(f'{weight:.3g}' for weight in weights[:4])} µs": weights[:4],
        f"as `bench` counts: 1, {ROW:g}, {TEMP:g}, {PLANNING:g} pages": (1, ROW, TEMP, PLANNING),
    }
    lines = [
        "# The cost of a statement and its processor time",
        "",
        f"`python bench/proofs/prove_cost.py tpch --profile {given.profile} --rounds {given.rounds}`,",
        f"{dt.datetime.now(dt.UTC):%Y-%m-%d}; {machine['cpu']}, {machine['cores']} cores, {machine['os']}, load",
        f"{os.getloadavg()[0]:.1f} at the end. Weights are of a page, a row that a node visits, a page of temporary",
        f"files and a page of planning. TPC-H at scale 0.1: {len(fitted)} cells of 22 queries under five sets; the",
        f"messenger: {len(tried)} cells of {len({reading.name for reading in tried})} cases. Rank correlation is",
        "Spearman's; direction counts pairs of sets that differ in processor time by a fifth or more.",
        "",
        "| weights | TPC-H: rank correlation | direction | messenger: rank correlation | direction |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, values in rows.items():
        figures = []
        for readings in (fitted, tried):
            right, pairs = direction(readings, values)
            figures += [f"{correlation(readings, values):.3f}", f"{right} of {pairs}"]
        lines.append(f"| {name} | {' | '.join(figures)} |")
    return [*lines, "", *_cells(fitted)]


def _cells(readings: Sequence[Reading]) -> list[str]:
    lines = [
        "## TPC-H",
        "",
        "| query | set | pages | rows | temporary | planning | processor ms |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for reading in readings:
        figures = [f"{part:,.0f}" for part in reading.parts] + [f"{reading.cpu / 1000:,.2f}"]
        lines.append(f"| {reading.name.partition(' ')[0]} | {reading.index_set} | {' | '.join(figures)} |")
    return [*lines, ""]


if __name__ == "__main__":
    sys.exit(main())
