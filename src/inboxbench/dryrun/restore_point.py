"""The source's rows in the state before a revision, to try something else from there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from inboxbench.dryrun.copy import Source, copied
from inboxbench.dryrun.run import current_of
from inboxbench.dryrun.tools.command import Chain, run_chain
from inboxbench.errors import SubjectFailed
from inboxbench.project import Project
from inboxbench.server import Server


@contextmanager
def state_before(server: Server, source: Source, project: Project, chain: Chain, revision: str) -> Iterator[str]:
    """The name of a new copy, gone after the block. Raises SubjectFailed when the chain cannot be stopped there."""
    script = chain.history({revision}).scripts.get(revision)
    if script is None or len(script.parents) > 1:
        raise SubjectFailed(f"what revision {revision} follows is not to be seen from its files, or more than one")
    with copied(server, source, project) as name:
        for parent in script.parents:
            _bring(server, name, chain, parent)
        yield name


def _bring(server: Server, name: str, chain: Chain, parent: str) -> None:
    if parent in current_of(server, name):
        return
    if not chain.aims:
        raise SubjectFailed("the command cannot be told where to stop: write {revision} where it takes the revision")
    ended = run_chain(chain, server.url(name), parent)
    if ended.status:
        raise SubjectFailed(f"the copy could not be brought to {parent}: {ended.complaint}")
