"""Rows of figures that the terminal and Markdown print alike."""

from inboxbench.report import units
from inboxbench.report.compare import Comparison, SetResult

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


def remark(result: SetResult, comparison: Comparison) -> str:
    """One word on a set: what disqualifies it, whether to choose it, whether another beats it."""
    if result.wrong:
        return "wrong rows"
    if is_chosen(result, comparison):
        return "choose"
    return f"dominated by {result.dominated_by}" if result.dominated_by else ""


def is_chosen(result: SetResult, comparison: Comparison) -> bool:
    return comparison.chosen is not None and comparison.chosen.name == result.name
