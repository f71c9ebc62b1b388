"""EXPLAIN documents: the line a reader sees, the counters, the shape."""

from __future__ import annotations

from typing import Any

from inboxbench.explain import one_line, plan_lines, plan_shape, read_explained, read_node

SCAN: dict[str, Any] = {
    "Node Type": "Index Scan",
    "Scan Direction": "Backward",
    "Index Name": "messages_created_at_idx",
    "Relation Name": "messages",
    "Actual Rows": 20.0,
    "Actual Loops": 1,
    "Rows Removed by Filter": 400,
    "Shared Hit Blocks": 7,
    "Shared Read Blocks": 2,
}
BITMAP: dict[str, Any] = {
    "Node Type": "Bitmap Heap Scan",
    "Relation Name": "messages",
    "Rows Removed by Index Recheck": 3,
    "Actual Loops": 1,
    "Plans": [{"Node Type": "Bitmap Index Scan", "Index Name": "messages_body_trgm_idx"}],
}


def limit(*below: dict[str, Any]) -> dict[str, Any]:
    return {
        "Node Type": "Limit",
        "Actual Rows": 15.0,
        "Actual Loops": 1,
        "Shared Hit Blocks": 40,
        "Shared Read Blocks": 2,
        "Plans": list(below),
    }


def test_line_reads_from_the_leaves_to_the_root() -> None:
    sort = {"Node Type": "Incremental Sort", "Plans": [SCAN]}
    assert one_line(read_node(limit(sort))) == "Index Scan Backward messages_created_at_idx → Incremental Sort → Limit"


def test_bitmap_is_named_by_its_index_and_siblings_are_joined() -> None:
    both = {**BITMAP, "Plans": [{"Node Type": "BitmapAnd", "Plans": [*BITMAP["Plans"], *BITMAP["Plans"]]}]}
    assert one_line(read_node(limit(BITMAP))) == "Bitmap messages_body_trgm_idx → Limit"
    line = one_line(read_node(limit(both)))
    assert line == "(Bitmap messages_body_trgm_idx + Bitmap messages_body_trgm_idx) → BitmapAnd → Limit"


def test_counters_come_from_the_root_and_not_from_planning() -> None:
    plan = read_explained(
        {
            "Plan": limit(SCAN, BITMAP),
            "Planning": {"Shared Hit Blocks": 900},
            "Execution Time": 1.25,
            "Settings": {"jit": "off"},
        }
    ).plan
    assert (plan.buffers, plan.rows, plan.removed, plan.execution_ms) == (42, 15, 403, 1.25)
    assert plan.settings == {"jit": "off"}
    assert plan.indexes == ("messages_created_at_idx", "messages_body_trgm_idx")
    assert not plan.sorts


def test_work_besides_pages_is_counted() -> None:
    """Rows of all loops that nodes hand on or throw away; entries of a bitmap are no rows; files and planning aside."""
    heap = {
        "Node Type": "Bitmap Heap Scan", "Actual Rows": 10, "Actual Loops": 3, "Rows Removed by Filter": 5,
        "Plans": [{"Node Type": "Bitmap Index Scan", "Index Name": "i", "Actual Rows": 999, "Actual Loops": 3}],
    }  # fmt: skip
    sort = {"Node Type": "Sort", "Actual Rows": 30, "Actual Loops": 1, "Temp Read Blocks": 7, "Temp Written Blocks": 8}
    plan = read_explained({"Plan": {**sort, "Plans": [heap]}, "Planning": {"Shared Hit Blocks": 4}}).plan
    assert (plan.visited, plan.temp, plan.planning) == (30 + 30 + 15, 15, 4)


def test_removed_rows_are_per_loop() -> None:
    inner = {**SCAN, "Actual Loops": 25, "Rows Removed by Filter": 4}
    assert read_explained({"Plan": limit(inner)}).plan.removed == 100


def test_shape_tells_conditions_apart_but_not_key_order() -> None:
    reordered = dict(reversed(list(SCAN.items())))
    assert plan_shape(read_node(limit(SCAN))) == plan_shape(read_node(limit(reordered)))
    assert plan_shape(read_node(limit(SCAN))) != plan_shape(read_node(limit({**SCAN, "Index Cond": "(id = 1)"})))
    assert plan_shape(read_node(limit(SCAN))) != plan_shape(read_node(limit(limit(SCAN))))


def test_scans_of_many_partitions_are_one_step_of_the_line() -> None:
    def scan(number: int, kind: str = "Seq Scan") -> dict[str, Any]:
        return {"Node Type": kind, "Relation Name": f"events_2026_{number:02}", "Shared Hit Blocks": 2}

    def line(*plans: dict[str, Any]) -> str:
        return one_line(read_node({"Node Type": "Append", "Plans": plans}))

    assert line(*map(scan, range(400))) == "400 × Seq Scan events_2026_* → Append"
    assert line(scan(1), scan(2), scan(3)) == (
        "(Seq Scan events_2026_01 + Seq Scan events_2026_02 + Seq Scan events_2026_03) → Append"
    )
    mixed = line(*map(scan, range(10, 19)), scan(19, "Index Scan"))
    assert mixed == "(9 × Seq Scan events_2026_1* + Index Scan events_2026_19) → Append"
    apart = [{"Node Type": "Seq Scan", "Relation Name": name} for name in ("north", "east", "south", "west")]
    assert line(*apart) == "4 × Seq Scan north, … → Append"
    other = {"Node Type": "Seq Scan", "Relation Name": "clients"}
    assert line(*[{"Node Type": "Sort", "Plans": [other]}] * 5) == "5 × Seq Scan clients → Sort → Append"


def test_plan_lines_name_three_partitions_and_count_the_rest() -> None:
    scans = [{"Node Type": "Seq Scan", "Relation Name": f"p{n}", "Shared Hit Blocks": 2} for n in range(40)]
    lines = list(plan_lines(read_node({"Node Type": "Append", "Plans": scans, "Shared Hit Blocks": 80})))
    assert len(lines) == 5
    assert lines[-1].strip() == "… and 37 more of Seq Scan on p0  (74 buffers)"
