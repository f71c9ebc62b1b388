"""`inboxbench gate`: fail when a counter got worse than at the baseline."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import click
from psycopg.conninfo import conninfo_to_dict

from inboxbench.bench import TIMEOUT_S
from inboxbench.bench.execute.session import measuring
from inboxbench.bench.workload.queries import read_workload
from inboxbench.cli.bench.options import own_questions
from inboxbench.cli.bench.source import Source, check_names, open_source
from inboxbench.cli.gate.history import history
from inboxbench.cli.options import Session, names_in, pass_measuring_session, role_option, set_option
from inboxbench.cli.output import Output, OutputFile, output_options
from inboxbench.cli.progress import counting
from inboxbench.cli.workload.options import WorkloadOption, workload_options
from inboxbench.database import scratch_database
from inboxbench.database_copy import is_url
from inboxbench.database_roles import check_role
from inboxbench.database_settings import replaced
from inboxbench.errors import UsageError
from inboxbench.files import check_writable, write_text
from inboxbench.gate import Comparison, Snapshot, read_budgets, read_snapshot, write_snapshot
from inboxbench.gate.case import Case, close, comparable, headline, judge, leave_out, update_baseline
from inboxbench.gate.export import as_markdown, bencher, junit, scoreboard, smaller_is_better, workflow_commands
from inboxbench.gate.measure_head import (
    Request,
    checked_out,
    measure_database,
    measure_head,
    measure_migrated,
    migrated,
    uncommitted,
)
from inboxbench.gate.paired_timing import Timed, Trial, time_cases, times_in_words
from inboxbench.project import Project
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
@click.option(
    "--queries",
    help="queries or families of bench/queries to measure, with commas between; the others are left out on purpose "
    "(default: all). With --database also a folder of .sql files",
)
@click.option(
    "--database",
    help="measure this database instead of a profile's rows: NAME of one on the server that inboxbench made, or "
    "postgresql://… to measure a copy of it; it is read and never written",
)
@workload_options
@click.option(
    "--allow-foreign", is_flag=True, help="measure --database NAME even if inboxbench did not make that database"
)
@set_option
@role_option
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
@click.option(
    "--accept",
    is_flag=True,
    help="with --update: write figures that got worse, too, and drop rules and readings that are gone",
)
@click.option(
    "--allow-uncompared",
    is_flag=True,
    help="let figures pass that have nothing to be compared with (without it they are exit code 2)",
)
@click.option(
    "--markdown",
    type=OutputFile(append=True),
    help="append a summary in Markdown to this file, such as $GITHUB_STEP_SUMMARY",
)
@click.option("--junit", "junit_file", type=OutputFile(), help="write the outcome as JUnit XML to this file")
@click.option(
    "--smaller-is-better",
    type=OutputFile(),
    help="write the counters as github-action-benchmark's customSmallerIsBetter to this file",
)
@click.option(
    "--bencher", "bencher_file", type=OutputFile(), help="write the counters in Bencher Metric Format to this file"
)
@output_options("markdown", what="the comparison (as JSON: head's counters, for --run and --baseline)")
@pass_measuring_session
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
    database: str | None,
    workload: WorkloadOption,
    allow_foreign: bool,
    overrides: Mapping[str, str],
    role: str | None,
    baseline: Path | None,
    against: str | None,
    timing: bool,
    tolerate: float,
    time_budget: float,
    run_file: Path | None,
    update: bool,
    accept: bool,
    allow_uncompared: bool,
    output: Output,
    markdown: Path | None,
    junit_file: Path | None,
    smaller_is_better: Path | None,
    bencher_file: Path | None,
) -> None:
    """Measure head's own indexes on a seeded database and compare every counter, and every rule that the schema
    enforces, with the baseline's.

    Pages, rows thrown away, sizes, WAL and HOT share decide, pages that triggers and checks of a write touch included;
    times only with --time. Exit code 1 when one is beyond its budget (bench/gate.toml; none unless declared) or a rule
    is gone, 3 when a query or write fails or answers otherwise, 2 when the baseline was measured on something else, or
    a figure has nothing to be compared with.
    """
    if context.invoked_subcommand:
        _check_place(context)
        return
    _check_words(against=against, baseline=baseline, run_file=run_file, update=update, accept=accept)
    if timing and not against:
        raise UsageError("--time compares two sides measured together; name the other one with --against REF")
    database, queries, asked = workload.of(database, queries)
    if asked and not asked.beside and (baseline is None or run_file):
        raise UsageError("--workload is measured, and has no folder with a baseline: name that with --baseline FILE")
    session, queries = own_questions(session, database, str(asked.folder) if asked else queries, None)
    if overrides and not database:
        raise UsageError("--set goes with --database: a profile's rows are measured under settings that repeat")
    source = Source(database, profile, seed, allow_foreign, as_is=True, overrides=overrides, role=role, workload=asked)
    request = Request(_label(database) or profile, seed, names_in(sets) or (), names_in(queries), role)
    check_names(session, source, list(request.sets), names_in(queries))
    bench = (asked and asked.beside) or session.project.bench
    path = baseline or bench / "baselines" / f"{request.profile}.json"
    if update:
        check_writable(path, "--baseline", makes_folder=True)
    budgets = read_budgets((path.parent if asked and not asked.beside else bench) / "gate.toml")
    if against is not None:
        if database:
            raise UsageError("--against migrates a profile's rows to both revisions; leave out --database")
        case = _both(session, request, against, Stopwatch(tolerate, time_budget) if timing else None)
    else:
        before = None if update and not path.is_file() else _baseline(path)
        now, remarks = (read_snapshot(run_file), []) if run_file else _measured(session, source, request)
        case = Case(before, now, str(path), remarks)
    case = comparable(case, update=update, accept=accept)
    seen = leave_out(case, _not_asked_for(session.project, request.queries))
    comparison = judge(seen, budgets, new=update, uncompared=allow_uncompared)
    case = replace(case, remarks=[*seen.remarks, *times_in_words(case.timed)])
    _write(Outputs(markdown, junit_file, smaller_is_better, bencher_file), case, comparison)
    if update:
        case = update_baseline(case, comparison, path, budgets, accept=accept, partial=request.queries is not None)
    _hand_over(case, comparison, output)
    _annotate(session.project, comparison)
    if not (update and accept):
        close(case, comparison)


def _not_asked_for(project: Project, names: Sequence[str] | None) -> frozenset[str]:
    """Return the project's queries that `names` (None: all) leaves out."""
    if names is None:
        return frozenset()
    chosen = {query.name for query in read_workload(project, names).queries}
    return frozenset(query.name for query in read_workload(project).queries if query.name not in chosen)


def _label(database: str | None) -> str | None:
    """Return what a database is called in its snapshot and by its baseline: its name, never its address."""
    if is_url(database):
        return str(conninfo_to_dict(str(database)).get("dbname") or "") or None
    return database


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


def _baseline(path: Path) -> Snapshot:
    if not path.is_file():
        raise UsageError(f"there is no baseline {path}; make it with `inboxbench gate --update` and commit it")
    return read_snapshot(path)


def _measured(session: Session, source: Source, request: Request) -> tuple[Snapshot, list[str]]:
    with session.server() as server:
        if source.database is None:
            with counting() as progress:
                snapshot = measure_head(server, session.project, request, progress=progress)
            return snapshot, [check_role(server, request.role)]
        with open_source(session, server, source) as database, counting() as progress:
            remarks = [*database.remarks, check_role(server, request.role)]
            remarks += replaced(server, database.name, measuring(TIMEOUT_S))
            return measure_database(server, database.name, session.project, request, progress=progress), remarks


def _both(session: Session, request: Request, ref: str, stopwatch: Stopwatch | None) -> Case:
    """Another revision and the working tree, side by side on the same server."""
    edited = uncommitted(session.project.root)
    remarks = [f"head has {edited} uncommitted file{'s' if edited > 1 else ''}"] if edited else []
    with checked_out(session.project, ref) as other, session.server() as server:
        sides = (other, session.project)
        with migrated(server, other, request) as old, migrated(server, session.project, request) as new:
            snapshots = list[Snapshot]()
            remarks.append(check_role(server, request.role))
            for project, (name, dataset) in zip(sides, (old, new), strict=True):
                with counting() as progress:
                    snapshot = measure_migrated(server, name, dataset, project, request, progress=progress)
                snapshots.append(snapshot)
            timed = stopwatch.measure(server, (old[0], new[0]), sides, request) if stopwatch else ()
    return Case(snapshots[0], snapshots[1], f"revision {ref}", remarks, tuple(timed), measured=True)


def _write(outputs: Outputs, case: Case, comparison: Comparison) -> None:
    if outputs.junit:
        write_text(outputs.junit, junit(comparison, case.now))
    if outputs.smaller_is_better:
        write_text(outputs.smaller_is_better, json.dumps(smaller_is_better(case.now), indent=1) + "\n")
    if outputs.bencher:
        write_text(outputs.bencher, json.dumps(bencher(case.now), indent=1) + "\n")
    if outputs.markdown:
        write_text(outputs.markdown, as_markdown(comparison, headline(case, comparison), case.remarks), append=True)


def _hand_over(case: Case, comparison: Comparison, output: Output) -> None:
    said = headline(case, comparison)
    document = {
        "closed": comparison.closed,
        "headline": said,
        "remarks": list(case.remarks),
        "changes": [asdict(change) for change in comparison.changes],
    }
    if output.file and output.file_form == "json":  # what can be compared with later is the counters
        write_snapshot(output.file, case.now)
        output = replace(output, file=None)
    output.hand_over(
        document,
        text=lambda console: console.print(scoreboard(comparison, said, case.remarks)),
        markdown=lambda: as_markdown(comparison, said, case.remarks),
    )


def _annotate(project: Project, comparison: Comparison) -> None:
    """Only where somebody reads them: on a runner of GitHub Actions, on stderr, so that results stay results."""
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in workflow_commands(
            comparison, project, Path(os.environ.get("GITHUB_WORKSPACE", Path.cwd())).resolve()
        ):
            click.echo(line, err=True)


command.add_command(history)
