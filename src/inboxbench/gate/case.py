"""One decision of the gate: a baseline and head, whether they compare, what may pass, and the baseline to keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from inboxbench.errors import InboxbenchError, SubjectFailed, ThresholdExceeded, UsageError
from inboxbench.gate.budgets import Budgets
from inboxbench.gate.change import Comparison, Verdict, ranked
from inboxbench.gate.compare import compare, without
from inboxbench.gate.environment import check_environment
from inboxbench.gate.paired_timing import Timed
from inboxbench.gate.snapshot import Snapshot, write_snapshot
from inboxbench.gate.update import lost, settled


@dataclass(frozen=True, slots=True)
class Case:
    """Both sides. `label` is what the baseline is called in messages; before: None where there is none to compare with,
    so that head's counters become the first one; measured: the other side was measured now, too, and is no file."""

    before: Snapshot | None
    now: Snapshot
    label: str
    remarks: Sequence[str] = ()
    timed: tuple[Timed, ...] = ()
    measured: bool = False

    def remarked(self, *remarks: str) -> Case:
        return replace(self, remarks=[*self.remarks, *remarks])


def comparable(case: Case, *, update: bool, accept: bool) -> Case:
    """Return the case with remarks on what differs without harm; without its baseline where that is of another
    environment and shall be replaced.

    Raises UsageError for one that does not compare.
    """
    if case.before is None:
        return case
    try:
        return case.remarked(*check_environment(case.before.environment, case.now.environment, case.label))
    except UsageError as error:
        readings, instead = len(case.before.readings), len(case.now.readings)
        if update and accept:
            remark = f"replaced: {readings} readings are gone, {instead} of head are there instead ({error})"
            return replace(case.remarked(remark), before=None)
        if update:
            raise UsageError(
                f"{error}, and --update replaces nothing: all {readings} readings would go, for {instead} of head; add "
                "--accept if they shall"
            ) from None
        again = "" if case.measured else "; measure it again here with --update --accept"
        raise UsageError(f"{error}{again}") from None


def leave_out(case: Case, queries: frozenset[str]) -> Case:
    """Return the case without the readings of those queries, which were not asked for, and a remark on them.

    A query that the project no longer has is none of them: its readings have nothing to be compared with.
    """
    if case.before is None:
        return case
    before, others = without(case.before, queries)
    chosen = replace(case, before=before)
    if not others:
        return chosen
    return chosen.remarked(f"readings of queries that --queries does not name, left out on purpose: {others}")


def judge(case: Case, budgets: Budgets, *, new: bool, uncompared: bool) -> Comparison:
    """Compare both sides. new: what head alone has may pass, because it is written to the baseline; uncompared: all
    that has nothing to be compared with may pass."""
    slower = [change for timed in case.timed if (change := timed.as_change())]
    if case.before is None:
        found = compare(replace(case.now, readings={}, costs={}, rules={}), case.now, budgets)
        return Comparison(found.of("broken"), 0)
    found = compare(case.before, case.now, budgets)
    passing = [
        replace(change, verdict="note")
        if change.verdict == "uncompared" and (uncompared or (change.new and (new or case.measured)))
        else change
        for change in found.changes
    ]
    return Comparison(ranked([*passing, *slower]), found.compared + len(case.timed))


def update_baseline(
    case: Case, comparison: Comparison, path: Path, budgets: Budgets, *, accept: bool, partial: bool
) -> Case:
    """Write the baseline to `path`, unless it would be a first one of what fails; return the case with a remark."""
    if case.before is None and comparison.of("broken") and not accept:
        return case.remarked(f"{path} is not written: what fails is no baseline; --accept writes it all the same")
    kept = case.now
    if case.before is not None:
        kept = settled(case.before, case.now, budgets, accept=accept, partial=partial)
        if gone := lost(case.before, kept):
            case = case.remarked(f"{gone} readings, sets and writes of the baseline were not measured now and are gone")
    write_snapshot(path, kept)
    return case.remarked(f"{path} is written; commit it")


def headline(case: Case, comparison: Comparison) -> str:
    if case.before is None:
        return f"{len(case.now.readings)} readings: the first baseline."
    closing, better = len(comparison.of("broken", "worse")), len(comparison.of("better"))
    missing = len(comparison.of("uncompared"))
    counts = f"{closing} worse, {better} better, {comparison.compared} figures compared with {case.label}"
    counts += f", {missing} not compared" if missing else ""
    lax = f"; the baseline is lax by {better} figures: --update" if better and not closing else ""
    return f"{counts}{lax}."


_ERRORS: dict[Verdict, type[InboxbenchError]] = {
    "broken": SubjectFailed,
    "worse": ThresholdExceeded,
    "uncompared": UsageError,
}


def close(case: Case, comparison: Comparison) -> None:
    """Raises SubjectFailed for what fails or answers otherwise, ThresholdExceeded for a worse counter or a rule that is
    gone, UsageError for what could not be compared: the first of these."""
    for verdict, error in _ERRORS.items():
        if changes := comparison.of(verdict):
            more = f", and {len(changes) - 1} more" if len(changes) > 1 else ""
            way_out = (
                f"; {comparison.compared} figures were compared with {case.label}; --allow-uncompared lets it pass"
                if verdict == "uncompared"
                else ""
            )
            raise error(f"{changes[0].where}: {changes[0].text}{more}{way_out}")
