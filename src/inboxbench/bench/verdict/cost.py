"""Reckons what a statement costs, in one unit: the work of one page of 8 kB that is found in memory.

A page is not all that a statement does: the rows that its nodes hand on or throw away, the pages of temporary files
that a sort or a hash writes and reads, and the pages that planning looks at take time, too. The weights are fitted on
the queries of TPC-H against the processor time of the server's process and tried on the messenger's
(`bench/proofs/prove_cost.py`, `bench/results/cost.md`). All of it is counted, so that a cost repeats exactly.
"""

from __future__ import annotations

from inboxbench.explain import Plan

# Of a page: about 2 µs of the server's processor. A row that a node visits takes a tenth of that.
ROW = 0.1
# A page of a temporary file, written or read: the operating system copies it. Not fitted: TPC-H writes too few of them.
TEMP = 2.0
PLANNING = 1.0

IN_WORDS = (
    f"pages of 8 kB: buffers of its execution and of its planning, {ROW:g} for each row that a node of the plan visits "
    f"and {TEMP:g} for each page of temporary files"
)


def statement_cost(plan: Plan) -> float:
    """Return the cost of one execution in pages; at least one, so that ratios exist."""
    return max(1.0, plan.buffers + PLANNING * plan.planning + ROW * plan.visited + TEMP * plan.temp)
