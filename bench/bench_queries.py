"""Every query of bench/queries under pytest-benchmark: client time beside the counters that do not depend on it.

    pytest bench/ --benchmark-columns=median,iqr --set owners --profile small

The counters are in `extra_info` of `--benchmark-json`: buffers, rows, rows thrown away, server time, plan.
"""

from __future__ import annotations

from pytest_benchmark.fixture import BenchmarkFixture

from inboxbench.bench.execute.session import Probe, prepared
from inboxbench.bench.model import plain
from inboxbench.bench.sets.indexset import IndexSet
from inboxbench.bench.workload.queries import Case
from inboxbench.gate.snapshot import digest


def test_query(benchmark: BenchmarkFixture, probe: Probe, case: Case, index_set: IndexSet) -> None:
    with prepared(probe.connection, case) as execute:
        plan = probe.explain(execute, case.query)
        quick = plan.execution_ms < 100
        benchmark.group = case.name
        benchmark.extra_info = {
            "query": case.query.name,
            "class": case.parameter_class.name,
            "set": index_set.name,
            "ids": list(case.query.ids),
            "params": {name: plain(value) for name, value in case.values.items()},
            "buffers": plan.buffers,
            "rows": plan.rows,
            "removed": plan.removed,
            "server_ms": plan.execution_ms,
            "plan": plan.line,
            "plan_digest": digest(plan.line),
        }
        rows = benchmark.pedantic(  # type: ignore[no-untyped-call]  # pytest-benchmark leaves it without types
            lambda: probe.fetch(execute, case.query)[0], rounds=15 if quick else 2, warmup_rounds=int(quick)
        )
    assert len(rows) == plan.rows
