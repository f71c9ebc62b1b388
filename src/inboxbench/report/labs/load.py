"""`inboxbench bench load`: throughput and percentiles of reads and writes, by pgbench."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inboxbench import units
from inboxbench.report.labs.sheet import Lab, LabTable, Row

_LATENCIES = ("p50_ms", "p90_ms", "p99_ms", "p999_ms", "max_ms")
_HEADINGS = ("Operation", "Set", "Closed loop", "Open loop", "p50", "p90", "p99", "p99.9", "Longest")


def load_lab(document: Mapping[str, Any]) -> Lab:
    found = document["load"]
    plan = found["plan"]
    caption = (
        f"{plan['clients']} clients of pgbench, {plan['seconds']} s closed for throughput, as long open for latency."
    )
    return Lab(
        "load",
        "Under load",
        "In the open loop requests begin by a schedule, and a latency counts from the scheduled start, so that a stall "
        "is felt by all that it held up. Times are this machine's.",
        [LabTable(caption, _HEADINGS, [_row(one) for one in found["cells"]], words=2)],
        found["notes"],
    )


def _row(one: Mapping[str, Any]) -> Row:
    latency = one["latency"] or {}
    late = "" if one["kept_up"] is not False else f"did not keep up: {units.rate(one['achieved'])}"
    cells = [one["operation"], one["set"], units.rate(one["per_s"]), units.rate(one["rate"])]
    times = [units.millis(latency.get(name)) for name in _LATENCIES]
    return Row([*cells, *times], one["failure"] or late, "bad" if one["failure"] or late else "")
