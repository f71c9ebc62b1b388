"""Which Dask workers load a profile: those of a scheduler, or some of this machine (extra `[cluster]`).

`inboxbench seed --dask` in four files: this one imports no Dask; dispatcher.py gives out the blocks, worker.py builds
them in a worker, block_registry.py is where workers on several machines find what they share.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from inboxbench.errors import UsageError
from inboxbench.seed.load.process_pool import WorkerPool
from inboxbench.seed.row_source import Job

_LOCAL = re.compile(r"local(?::([1-9]\d{0,3}))?")
_SCHEDULER = re.compile(r"(?:tcp|tls|ws|wss)://\S+:\d+")


@dataclass(frozen=True, slots=True)
class Cluster:
    """The scheduler at `address`; where that is None, one of our own with `processes` workers on this machine."""

    address: str | None
    processes: int = 0

    def __str__(self) -> str:
        return self.address or f"local:{self.processes}"


def parse_cluster(text: str) -> Cluster:
    """`local`, `local:4` or a scheduler's address. Raises UsageError for anything else, and where Dask is missing."""
    local = _LOCAL.fullmatch(text)
    if local is None and not _SCHEDULER.fullmatch(text):
        raise UsageError(
            f"unknown Dask cluster {text!r}; accepted: tcp://HOST:PORT of a scheduler, local:N workers here"
        )
    if importlib.util.find_spec("distributed") is None:
        raise UsageError("--dask needs Dask, which is not installed; run: pip install 'inboxbench[cluster]'")
    if local is None:
        return Cluster(text)
    return Cluster(None, int(local[1] or len(os.sched_getaffinity(0))))


@contextmanager
def cluster_pool(cluster: Cluster, job: Job) -> Iterator[WorkerPool]:
    """Yield a pool of the workers of `cluster`, which build the same blocks as processes of this machine.

    A worker that is lost is replaced by another one; a load that breaks leaves no session of a worker behind.
    """
    from inboxbench.seed.dask.dispatcher import dask_pool  # noqa: PLC0415 - Dask, which only this needs, and an extra

    with dask_pool(cluster, job) as pool:
        yield pool
