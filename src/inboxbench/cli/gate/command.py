"""`inboxbench gate`: fail when a counter got worse than at the baseline."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import click

from inboxbench.bench.sets.indexset import read_catalogue
from inboxbench.bench.workload.queries import read_workload
from inboxbench.cli.gate.history import history
from inboxbench.cli.options import Session, names_in, pass_session
from inboxbench.cli.output import Output, output_options
from inboxbench.cli.progress import counting
from inboxbench.database import scratch_database
from inboxbench.errors import SubjectFailed, ThresholdExceeded, UsageError
from inboxbench.files import check_writable, write_text
from inboxbench.gate import Comparison, Snapshot, compare, read_budgets, read_snapshot, write_snapshot
from inboxbench.gate.compare import ranked, settled
from inboxbench.gate.export import as_markdown, bencher, junit, scoreboard, smaller_is_better, workflow_commands
from inboxbench.gate.measure_head import Request, checked_out, measure_head, measure_migrated, migrated, uncommitted
from inboxbench.gate.paired_timing import Timed, Trial, time_cases, times_in_words
from inboxbench.gate.snapshot import check_environment
from inboxbench.project import Project
from inboxbench.seed import load_profile
from inboxbench.server import Server

_OPTIONS = {"timing": "time", "run_file": "run", "junit_file": "junit", "bencher_file": "bencher", "form": "format"}
_FILE = click.Path(path_type=Path, dir_okay=False)


@dataclass(frozen=True, slots=True)
class Outputs:
    """Files to write beside what is printed."""

    markdown: Path | None
    junit: Path | None
    smaller_is_better: Path | None
    bencher: Path | None


@dataclass(frozen=True, slots=True)
class Stopwatch:
    """tolerated: a share; what is surely no slower than that is fine. budget_s: for all cases together."""

    tolerated: float
    budget_s: float

    def measure(
        self, server: Server, names: tuple[str, str], sides: tuple[Project, Project], request: Request
    ) -> list[Timed]:
        with scratch_database(server, "control", names[0]) as copy, counting() as progress:
            trial, timed = Trial(names[0], names[1], copy), list[Timed]()
            cases = time_cases(server, trial, sides, request.queries, tolerated=self.tolerated, budget_s=self.budget_s)
            for case in cases:
                timed.append(case)
                progress(len(timed), 0, f"timing {case.where}")
        return timed


@dataclass(frozen=True, slots=True)
class Case:
    """Both sides. `label` is what the baseline is called in messages; new: there was none, so it is head itself."""

    before: Snapshot
    now: Snapshot
    label: str
    remarks: Sequence[str] = ()
    new: bool = False
    timed: tuple[Timed, ...] = ()


@click.group(invoke_without_command=True)
@click.option("--profile", default="tiny", show_default=True, help="data profile of seeds/ to measure on")
@click.option(
    "--seed",
    default=1,
    show_default=True,
    type=click.IntRange(0),
    help="seed of the profile's rows; the same seed gives the same rows",
)
@click.option(
    "--sets", help="index sets of schema/indexes.toml to measure beside head's own indexes, with commas between"
)
@click.option("--queries", help="queries or families of bench/queries to measure, with commas between (default: all)")
@click.option("--baseline", type=_FILE, help="baseline file to compare with (default: bench/baselines/PROFILE.json)")
@click.option(
    "--against",
    metavar="REF",
    help="git revision of the project to compare with instead of a baseline; it is measured beside head",
)
@click.option(
    "--time", "timing", is_flag=True, help="with --against: time both sides in pairs, too; a slowdown closes the gate"
)
@click.option(
    "--tolerate",
    default=0.1,
    show_default=True,
    type=click.FloatRange(0.03, 1),
    help="with --time: slowdown that is accepted, as a share (0.1 is 10 %)",
)
@click.option(
    "--time-budget",
    default=180.0,
    show_default=True,
    type=click.FloatRange(1),
    help="seconds that --time may take for all queries together",
)
@click.option(
    "--run",
    "run_file",
    type=_FILE,
    help="take head's counters from this file, which an earlier --output wrote, instead of measuring",
)
@click.option("--update", is_flag=True, help="write figures that got better or are new to the baseline file")
@click.option("--accept", is_flag=True, help="with --update: write figures that got worse, too")
@click.option("--markdown", type=_FILE, help="append a summary in Markdown to this file, such as $GITHUB_STEP_SUMMARY")
@click.option("--junit", "junit_file", type=_FILE, help="write the outcome as JUnit XML to this file")
@click.option(
    "--smaller-is-better",
    type=_FILE,
    help="write the counters as github-action-benchmark's customSmallerIsBetter to this file",
)
@click.option("--bencher", "bencher_file", type=_FILE, help="write the counters in Bencher Metric Format to this file")
@output_options("markdown", what="the comparison (as JSON: head's counters, for --run and --baseline)")
@pass_session
@click.pass_context
def command(
    context: click.Context,
    session: Session,
    /,
    *,
    profile: str,
    seed: int,
    sets: str | None,
    queries: str | None,
    baseline: Path | None,
    against: str | None,
    timing: bool,
    tolerate: float,
    time_budget: float,
    run_file: Path | None,
    update: bool,
    accept: bool,
    output: Output,
    markdown: Path | None,
    junit_file: Path | None,
    smaller_is_better: Path | None,
    bencher_file: Path | None,
) -> None:
    """Measure head's own indexes on a seeded database and compare every counter with the baseline's.

    Pages, rows thrown away, sizes, WAL and HOT share decide; times only with --time. Exit code 1 when one is beyond
    its budget (bench/gate.toml; none unless declared), 3 when a query fails or returns other rows, 2 when the baseline
    was measured on something else.
    """
    if context.invoked_subcommand:
        _check_place(context)
        return
    _check_words(against=against, baseline=baseline, run_file=run_file, update=update, accept=accept)
    if timing and not against:
        raise UsageError("--time compares two sides measured together; name the other one with --against REF")
    for option, file in (("--junit", junit_file), ("--markdown", markdown), ("--bencher", bencher_file)):
        check_writable(file, option)
    check_writable(smaller_is_better, "--smaller-is-better")
    request = Request(profile, seed, names_in(sets) or (), names_in(queries))
    _check_names(session.project, request)
    path = baseline or session.project.bench / "baselines" / f"{profile}.json"
    budgets = read_budgets(session.project.bench / "gate.toml")
    outputs = Outputs(markdown, junit_file, smaller_is_better, bencher_file)
    if against is None:
        before = None if update and not path.is_file() else _baseline(path)
        now = read_snapshot(run_file) if run_file else _measured(session, request)
        case = Case(before or now, now, str(path), new=before is None)
    else:
        case = _both(session, request, against, Stopwatch(tolerate, time_budget) if timing else None)
    case = _comparable(case, replaceable=update)
    remarks = list(case.remarks)
    comparison = _with_times(compare(case.before, case.now, budgets), case.timed)
    remarks += times_in_words(case.timed)
    _write(outputs, replace(case, remarks=remarks), comparison)
    if update:
        kept = settled(case.before, case.now, budgets, accept=accept, partial=bool(request.queries))
        write_snapshot(path, kept)
        remarks.append(f"{path} is written; commit it")
    _hand_over(replace(case, remarks=remarks), comparison, output)
    _annotate(session.project, comparison)
    if not (update and accept):
        _close(comparison)


def _check_place(context: click.Context) -> None:
    """An option before the subcommand would be that of `gate` alone and be lost."""
    for name in context.params:
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            option = _OPTIONS.get(name, name.replace("_", "-"))
            sub = context.invoked_subcommand
            raise UsageError(
                f"--{option} stands before {sub!r}, which measures nothing; `inboxbench gate {sub} --help`"
            )


def _check_words(
    *, against: str | None, baseline: Path | None, run_file: Path | None, update: bool, accept: bool
) -> None:
    if against and (baseline or run_file or update):
        raise UsageError("--against measures both sides itself; leave out --baseline, --run and --update")
    if accept and not update:
        raise UsageError("--accept says what --update writes; give both")


def _check_names(project: Project, request: Request) -> None:
    """A wrong name is said before a server is started."""
    load_profile(project, request.profile)
    read_workload(project, request.queries)
    read_catalogue(project.schema / "indexes.toml").choose(list(request.sets))


def _baseline(path: Path) -> Snapshot:
    if not path.is_file():
        raise UsageError(f"there is no baseline {path}; make it with `inboxbench gate --update` and commit it")
    return read_snapshot(path)


def _measured(session: Session, request: Request) -> Snapshot:
    with session.server() as server, counting() as progress:
        return measure_head(server, session.project, request, progress=progress)


def _both(session: Session, request: Request, ref: str, stopwatch: Stopwatch | None) -> Case:
    """Another revision and the working tree, side by side on the same server."""
    edited = uncommitted(session.project.root)
    remarks = [f"head has {edited} uncommitted file{'s' if edited > 1 else ''}"] if edited else []
    with checked_out(session.project, ref) as other, session.server() as server:
        sides = (other, session.project)
        with migrated(server, other, request) as old, migrated(server, session.project, request) as new:
            snapshots = []
            for project, (name, dataset) in zip(sides, (old, new), strict=True):
                with counting() as progress:
                    snapshot = measure_migrated(server, name, dataset, project, request, progress=progress)
                snapshots.append(snapshot)
            timed = stopwatch.measure(server, (old[0], new[0]), sides, request) if stopwatch else ()
    return Case(snapshots[0], snapshots[1], f"revision {ref}", remarks, timed=tuple(timed))


def _comparable(case: Case, *, replaceable: bool) -> Case:
    """The case with what differs without harm. A baseline of another environment can only be replaced."""
    try:
        remarks = check_environment(case.before.environment, case.now.environment, case.label)
    except UsageError as error:
        if not replaceable:
            raise
        return replace(case, before=case.now, new=True, remarks=[*case.remarks, f"replaced: {error}"])
    return replace(case, remarks=[*case.remarks, *remarks])


def _with_times(comparison: Comparison, timed: Sequence[Timed]) -> Comparison:
    slower = [change for case in timed if (change := case.as_change())]
    return Comparison(ranked([*comparison.changes, *slower]), comparison.compared + len(timed))


def _headline(case: Case, comparison: Comparison) -> str:
    if case.new:
        return f"{len(case.now.readings)} readings: the first baseline."
    closing, better = len(comparison.of("broken", "worse")), len(comparison.of("better"))
    counts = f"{closing} worse, {better} better, {comparison.compared} figures compared with {case.label}"
    lax = f"; the baseline is lax by {better} figures: --update" if better and not closing else ""
    return f"{counts}{lax}."


def _write(outputs: Outputs, case: Case, comparison: Comparison) -> None:
    if outputs.junit:
        write_text(outputs.junit, junit(comparison, case.now))
    if outputs.smaller_is_better:
        write_text(outputs.smaller_is_better, json.dumps(smaller_is_better(case.now), indent=1) + "\n")
    if outputs.bencher:
        write_text(outputs.bencher, json.dumps(bencher(case.now), indent=1) + "\n")
    if outputs.markdown:
        write_text(outputs.markdown, as_markdown(comparison, _headline(case, comparison), case.remarks), append=True)


def _hand_over(case: Case, comparison: Comparison, output: Output) -> None:
    headline = _headline(case, comparison)
    document = {
        "closed": comparison.closed,
        "headline": headline,
        "remarks": list(case.remarks),
        "changes": [asdict(change) for change in comparison.changes],
    }
    if output.file and output.file_form == "json":  # what can be compared with later is the counters
        write_snapshot(output.file, case.now)
        output = replace(output, file=None)
    output.hand_over(
        document,
        text=lambda console: console.print(scoreboard(comparison, headline, case.remarks)),
        markdown=lambda: as_markdown(comparison, headline, case.remarks),
    )


def _annotate(project: Project, comparison: Comparison) -> None:
    """Only where somebody reads them: on a runner of GitHub Actions, on stderr, so that results stay results."""
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in workflow_commands(
            comparison, project, Path(os.environ.get("GITHUB_WORKSPACE", Path.cwd())).resolve()
        ):
            click.echo(line, err=True)


def _close(comparison: Comparison) -> None:
    """Raises SubjectFailed for a query that fails or answers otherwise, ThresholdExceeded for a worse counter."""
    for verdict, error in (("broken", SubjectFailed), ("worse", ThresholdExceeded)):
        if changes := [change for change in comparison.changes if change.verdict == verdict]:
            more = f", and {len(changes) - 1} more" if len(changes) > 1 else ""
            raise error(f"{changes[0].where}: {changes[0].text}{more}")


command.add_command(history)
