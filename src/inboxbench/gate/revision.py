"""Another revision of the project, checked out beside the working tree for as long as it is measured."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from inboxbench.errors import UsageError
from inboxbench.project import Project, find_project


@dataclass(frozen=True, slots=True)
class OtherRevision(Project):
    """A project as it was. The code that it brings is what is installed now, as `present` names it."""

    present: Project

    @property
    def extensions(self) -> Path:
        return self.present.extensions


def git(root: Path, *words: str) -> str:
    """What git answers. Raises UsageError with its first line of complaint."""
    try:
        done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise UsageError("this needs git, and there is no such program here; install it") from None
    if done.returncode:
        said = next(iter(done.stderr.strip().splitlines()), f"exit code {done.returncode}")
        raise UsageError(f"git {words[0]}: {said}")
    return done.stdout.strip()


def uncommitted(root: Path) -> int:
    """How many files under `root` differ from the last commit."""
    return len(git(root, "status", "--porcelain", "--", ".").splitlines())


def resolve(root: Path, ref: str) -> str:
    """The commit that `ref` names. Raises UsageError when there is none."""
    try:
        return git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    except UsageError as error:
        if "exit code" not in str(error):
            raise
        raise UsageError(
            f"--against {ref}: no such revision; in CI fetch it first (actions/checkout with fetch-depth: 0)"
        ) from None


@contextmanager
def checked_out(project: Project, ref: str) -> Iterator[Project]:
    """The project as it was at `ref`, in a worktree that is removed at the end of the block.

    Raises UsageError for an unknown revision, one without the project, and a project that is in no repository.
    """
    commit = resolve(project.root, ref)
    inside = project.root.relative_to(Path(git(project.root, "rev-parse", "--show-toplevel")).resolve())
    with tempfile.TemporaryDirectory(prefix="inboxbench_worktree_") as folder:
        tree = Path(folder) / "tree"
        git(project.root, "worktree", "add", "--detach", "--quiet", str(tree), commit)
        try:
            yield OtherRevision(find_project(tree / inside).root, project)
        finally:
            git(project.root, "worktree", "remove", "--force", str(tree))
