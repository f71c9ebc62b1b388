"""What a rehearsal starts from: a database, a dataset, or nothing; and a copy of it to work on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from inboxbench.database import scratch_database
from inboxbench.database_copy import Copy, cloned, copied, is_url
from inboxbench.dryrun.downsample import downsample
from inboxbench.dryrun.run import bring, current_of
from inboxbench.dryrun.tools.base import Tool
from inboxbench.errors import SubjectFailed
from inboxbench.project import Project
from inboxbench.seed.datasets.dataset import load_dataset
from inboxbench.seed.load.run import Progress
from inboxbench.server import Server, redact


@dataclass(frozen=True, slots=True)
class Source:
    """Either `database` (a name on the server, or a URL) or `dataset` (the name of a profile, filled with `seed`), or
    neither for an empty database.

    `share` is the part of the rows to rehearse on: a dataset is made that much smaller, a database's copy is thinned.
    """

    database: str | None = None
    dataset: str | None = None
    seed: int = 1
    share: float = 1.0

    @property
    def shown(self) -> str:
        """How the source is named to people, without a password."""
        return self._named if self.share == 1 else f"{self.share:.3g} of {self._named}"

    @property
    def _named(self) -> str:
        if self.database:
            return redact(self.database) if is_url(self.database) else f"database {self.database}"
        return f"dataset {self.dataset}" if self.dataset else "an empty database"


@contextmanager
def copy_of(server: Server, source: Source, project: Project, *, progress: Progress | None = None) -> Iterator[Copy]:
    """A copy of the source on `server`, dropped at the end of the block.

    Raises UsageError or ServerError in one line when it cannot be made.
    """
    if source.database:
        with copied(server, source.database) as copy:
            if source.share < 1:
                downsample(server, copy.name, source.share)
            yield copy
    elif source.dataset:
        dataset = load_dataset(
            server, source.dataset, source.seed, scale=source.share, project=project, progress=progress
        )
        with cloned(server, dataset.name) as name:
            yield Copy(name)
    else:
        with scratch_database(server, "dryrun") as name:
            yield Copy(name)


@contextmanager
def state_before(server: Server, source: Source, project: Project, tool: Tool, revision: str) -> Iterator[str]:
    """The name of a new copy of the source that stands before `revision`, dropped at the end of the block.

    Raises SubjectFailed when it cannot be brought there.
    """
    script = tool.history({revision}).scripts.get(revision)
    if script is None or len(script.parents) > 1:
        raise SubjectFailed(f"what revision {revision} follows is not to be seen from its files, or more than one")
    with copy_of(server, source, project) as copy:
        for parent in script.parents:
            if parent not in current_of(server, copy.name, tool):
                bring(server, copy.name, tool, parent)
        yield copy.name
