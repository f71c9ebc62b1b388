"""What is said of a generic plan, and of which."""

from __future__ import annotations

import pytest

from inboxbench.bench.execute.generic import Generic, generic_remarks

PARTIAL = ("orders_open",)


@pytest.mark.parametrize(
    ("custom", "generic", "dearer"),
    [
        (100, Generic("Seq Scan", 100), False),
        (100, Generic("Seq Scan", 20), False),
        (1, Generic("Seq Scan", 3), False),
        (1, Generic("Seq Scan", 4), True),
        (1000, Generic("Seq Scan", 1050), False),
        (1000, Generic("Seq Scan", 1200), True),
        (5, Generic("Seq Scan", None, "canceling statement due to statement timeout"), True),
        (5, Generic("Seq Scan"), False),
        (5, Generic("Seq Scan", None, None, PARTIAL, PARTIAL), True),
        (5, Generic("Seq Scan", 5, None, PARTIAL, PARTIAL), False),
    ],
)
def test_a_generic_plan_is_dearer_where_it_reads_more_or_cannot_be_run(
    custom: int, generic: Generic, dearer: bool
) -> None:
    assert generic.dearer_than(custom) is dearer


def test_each_query_is_remarked_once_on_its_dearest_cell() -> None:
    cells = [
        ("open", "open [few] under a", 2, Generic("Seq Scan orders", 20)),
        ("open", "open [many] under a", 2, Generic("Seq Scan orders", 200, None, PARTIAL, PARTIAL)),
        ("other", "other [few] under a", 50, Generic("Seq Scan orders", 50)),
    ]
    assert generic_remarks(cells) == (
        "open [many] under a: the generic plan reads 200 pages, the custom one 2 pages and does not use the partial "
        "index orders_open (Seq Scan orders); it is dearer in 1 more of its cells",
    )
