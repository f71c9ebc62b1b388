"""Rows of figures that the terminal and Markdown print alike."""

from collections.abc import Sequence

from inboxbench import units
from inboxbench.report.index_figures import Comparison, SetResult
from inboxbench.report.model import BreakEven, ParetoRow

SET_FIGURES = ("typical", "median", "worst", "size", "build", "WAL/insert", "WAL/update", "HOT")


def set_figures(result: SetResult) -> tuple[str, ...]:
    """The columns of SET_FIGURES for one index set."""
    index_set = result.index_set
    bound = "≥ " if result.failed else ""
    return (
        bound + units.number(result.typical_reads),
        units.number(result.median_reads),
        bound + units.number(result.worst_reads),
        units.size(index_set.bytes),
        units.seconds(index_set.build_s),
        units.wal(index_set.insert_wal_bytes),
        units.wal(index_set.update_wal_bytes),
        units.share(index_set.hot_share),
    )


MIX_FIGURES = ("mean", "worst", "ms mean", "ms worst", "inserts", "updates", "read", "write", "request")


def mix_figures(row: ParetoRow) -> tuple[str, ...]:
    """The columns of MIX_FIGURES for a set at the run's mix: reads, times, throughput, costs in pages."""
    bound = "≥ " if row.lower_bound else ""
    return (
        *(bound + units.number(value) for value in (row.reads_mean, row.reads_worst)),
        *(units.number(value) for value in (row.ms_mean, row.ms_worst)),
        *(units.rate(value) for value in (row.insert_per_s, row.update_per_s)),
        *(bound + units.number(value) for value in (row.read_cost, row.write_cost, row.cost)),
    )


def by_cost(rows: Sequence[ParetoRow]) -> list[ParetoRow]:
    """What costs most first."""
    return sorted(rows, key=lambda row: -(row.cost or 0.0))


def even_words(even: BreakEven) -> str:
    """Where two sets are even, as a cell of a table."""
    if even.always:
        return f"{even.always} costs less at any number"
    bound = "at most " if even.upper_bound else ""
    return f"{even.reader} from {bound}{units.number(even.reads_per_write)} reads for a write on"


def remark(result: SetResult, comparison: Comparison) -> str:
    """One word on a set: what disqualifies it, whether to choose it, whether another beats it."""
    if result.wrong:
        return "wrong rows"
    if is_chosen(result, comparison):
        return "choose"
    return f"dominated by {result.dominated_by}" if result.dominated_by else ""


def is_chosen(result: SetResult, comparison: Comparison) -> bool:
    return comparison.chosen is not None and comparison.chosen.name == result.name
