"""`inboxbench schema compare`: two schemas, wherever each of them stands."""

from __future__ import annotations

import datetime as dt

import click

from inboxbench.cli.options import Session, pass_loose_session
from inboxbench.cli.output import Output, heading, output_options
from inboxbench.errors import ThresholdExceeded
from inboxbench.record import as_json
from inboxbench.report.document import lab_markdown, print_lab
from inboxbench.report.page import lab_page
from inboxbench.schema.compare import compare_schemas
from inboxbench.schema.pairing import Renames
from inboxbench.schema.show import comparison_lab
from inboxbench.schema.sources import check_side, read_side

SCHEMA_VERSION = 1


@click.command(name="compare")
@click.argument("a")
@click.argument("b")
@click.option(
    "--rename",
    "renames",
    multiple=True,
    metavar="OLD=NEW",
    help="OLD of A is NEW of B: tables, or columns as TABLE.OLD=TABLE.NEW; may be given again",
)
@click.option("--exact", is_flag=True, help="pair tables and columns by name alone, and look for no renamed ones")
@click.option("--all", "everything", is_flag=True, help="show also what is the same on both sides")
@click.option(
    "--fail-on-difference",
    is_flag=True,
    help="exit with code 1 when more differs than names of indexes and constraints",
)
@output_options("markdown", "html", what="the comparison")
@pass_loose_session
def command(
    session: Session,
    /,
    *,
    a: str,
    b: str,
    renames: tuple[str, ...],
    exact: bool,
    everything: bool,
    fail_on_difference: bool,
    output: Output,
) -> None:
    """Compare the schemas A and B: columns, indexes, constraints and validations that one has and the other lacks.

    A and B are each a database's postgresql://… URL, `baseline` or `head` of the project, the name of a reference in
    schema/reference/ such as `chatwoot`, a Rails schema.rb, a file of SQL (pg_dump --schema-only, structure.sql) or
    SQLAlchemy metadata as MODULE:Base.metadata. SQL, Rails and metadata are built in a scratch database of --server, so
    that PostgreSQL itself says what they mean; a database behind a URL is only read.

    Renamed parts are paired, and an index that only one side has is shown beside one that serves the same reads.
    """
    for side in (a, b):
        check_side(side, session.project)
    wanted = Renames.read(renames, exact=exact)
    with session.server() as server:
        sides = read_side(server, a, session.project), read_side(server, b, session.project)
        label = server.label
    comparison = compare_schemas(*sides, wanted)
    lab = comparison_lab(comparison, everything=everything)
    output.hand_over(
        {"schema_version": SCHEMA_VERSION, "schema_compare": as_json(comparison)},
        text=lambda console: print_lab(lab, console),
        markdown=lambda: lab_markdown(lab, heading(lab.title, label, dt.datetime.now(dt.UTC))),
        html=lambda: lab_page(lab),
    )
    if fail_on_difference and comparison.differs:
        counted = ", ".join(f"{count} {state}" for state, count in comparison.counts.items() if state != "same")
        raise ThresholdExceeded(
            f"{comparison.a} and {comparison.b} differ ({counted}); the tables above name each part"
        )
