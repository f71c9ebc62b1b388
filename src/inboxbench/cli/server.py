"""`inboxbench server start|status|stop`: one PostgreSQL for many commands."""

from __future__ import annotations

import click

from inboxbench.cli.options import Session, pass_session
from inboxbench.errors import UsageError
from inboxbench.server import parse_spec, server_of, standing, start_standing, stop_standing
from inboxbench.server.handle import Binaries, Embedded
from inboxbench.server.standing_server import Standing


@click.group()
def command() -> None:
    """Keep a PostgreSQL running between commands.

    Commands with the same --server use it instead of starting their own, and its datasets stay.
    """


def _local_spec(session: Session) -> Embedded | Binaries:
    spec = parse_spec(session.settings.server)
    if not isinstance(spec, Embedded | Binaries):
        raise UsageError(
            "only embedded and bin: servers can be kept running; a container ends with its command "
            "(start your own and name it as postgresql://…), and somebody's server is theirs to run"
        )
    return spec


def _describe(found: Standing) -> str:
    if found.state != "running":
        return f"{found.state}: {found.cluster.home}"
    server = server_of("embedded" if isinstance(found.spec, Embedded) else "bin", found.cluster)
    return f"running: {server.label}\n  data  {found.cluster.home}\n  URL   {server.url('postgres')}"


@command.command()
@pass_session
def start(session: Session) -> None:
    """Start the server that --server names, creating it if there is none yet."""
    click.echo(_describe(start_standing(_local_spec(session), session.settings.data_dir)))


@command.command()
@pass_session
def status(session: Session) -> None:
    """Say whether the server runs, where its data lies, and its URL."""
    click.echo(_describe(standing(_local_spec(session), session.settings.data_dir)))


@command.command()
@click.option("--remove", is_flag=True, help="delete the server's data as well, seeded datasets included")
@pass_session
def stop(session: Session, remove: bool) -> None:
    """Stop the server; its datasets stay unless --remove is given."""
    click.echo(_describe(stop_standing(_local_spec(session), session.settings.data_dir, remove=remove)))
