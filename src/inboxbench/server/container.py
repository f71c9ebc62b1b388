"""PostgreSQL in a container, through Testcontainers."""

from __future__ import annotations

import gc
import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from inboxbench.errors import ServerError
from inboxbench.owner import Owner, this_process
from inboxbench.server.handle import tuned_settings

if TYPE_CHECKING:
    from testcontainers.community.postgres import PostgresContainer

# Any major version reads this; 17 and newer get the same provider as our embedded clusters by database.py.
_INITDB = "--encoding=UTF8 --locale=C.UTF-8"
_LABEL = "inboxbench.owner"  # the process that started a container, and that removes it
_PASSWORD = "inboxbench"  # noqa: S105 - of a container that listens on this machine for as long as we run


def engine_problem() -> str | None:
    """Why no Docker engine can be used, in one line; None when one answers."""
    name = _ask_engine()
    if name is None:
        return None
    with warnings.catch_warnings():
        # The client leaves the socket open on which nobody answered; it is collected here, and quietly.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    return f"no Docker engine answers ({name}); start one, or use --server embedded"


def _ask_engine() -> str | None:
    """The name of the error; the error itself would keep the client's sockets alive."""
    import docker  # noqa: PLC0415 - heavy, and only containers need it

    try:
        client = docker.from_env()
        client.ping()
        client.close()
    except Exception as error:
        return type(error).__name__
    return None


def _command() -> list[str]:
    settings = tuned_settings()
    return ["postgres", *(word for name, value in settings.items() for word in ("-c", f"{name}={value}"))]


@contextmanager
def running_container(image: str) -> Iterator[str]:
    """Start `image` with the tuned settings; yields a connection string; removes the container at the end.

    Raises ServerError when no engine answers or the image cannot be had or does not come up.
    """
    if problem := engine_problem():
        raise ServerError(problem)
    from testcontainers.community.postgres import PostgresContainer  # noqa: PLC0415 - imports the docker client

    container = PostgresContainer(image, username="postgres", password=_PASSWORD, dbname="postgres", driver=None)
    _remove_left()
    labels = {_LABEL: json.dumps(this_process().to_json())}
    container.with_command(_command()).with_kwargs(shm_size="1g", labels=labels)
    container.with_env("POSTGRES_INITDB_ARGS", _INITDB)
    # Also when Ctrl-C or SIGTERM comes while it starts: the container exists by then.
    try:
        _start(container, image)
        host, port = container.get_container_host_ip(), container.get_exposed_port(5432)
        yield f"host={host} port={port} user=postgres password={_PASSWORD} dbname=postgres"
    finally:
        container.stop()


def _remove_left() -> None:
    """Remove containers that carry our label and whose process is gone, with their volumes."""
    import docker  # noqa: PLC0415 - as above

    client = docker.from_env()
    try:
        for container in client.containers.list(all=True, filters={"label": _LABEL}):
            with suppress(ValueError, docker.errors.APIError):
                owner = Owner.from_json(json.loads(container.labels[_LABEL]))
                if owner is not None and owner.state == "gone":
                    container.remove(force=True, v=True)
    finally:
        client.close()


def _start(container: PostgresContainer, image: str) -> None:
    try:
        container.start()
    except Exception as error:
        raise ServerError(f"container {image} did not come up: {str(error).splitlines()[0][:300]}") from error
