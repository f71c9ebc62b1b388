"""A project: the four folders that say what the database is, how it gets there, and what is measured."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from inboxbench.errors import UsageError

_FOLDERS = ("schema", "migrations", "seeds", "bench")
_PACKAGE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Project:
    """Paths of a project; the messenger is the one that ships."""

    root: Path

    @property
    def schema(self) -> Path:
        return self.root / "schema"

    @property
    def migrations(self) -> Path:
        return self.root / "migrations"

    @property
    def seeds(self) -> Path:
        return self.root / "seeds"

    @property
    def bench(self) -> Path:
        return self.root / "bench"

    @property
    def pyproject(self) -> Path:
        return self.root / "pyproject.toml"


def _missing(root: Path) -> list[str]:
    return [folder for folder in _FOLDERS if not (root / folder).is_dir()]


def find_project(path: Path | None = None) -> Project:
    """The project at `path`, else the messenger: of the checkout when run from one, else the wheel's copy.

    Raises UsageError when a folder of the project is missing.
    """
    if path is not None:
        if missing := _missing(path):
            raise UsageError(f"{path} is no inboxbench project: it lacks {', '.join(f'{m}/' for m in missing)}")
        return Project(path.resolve())
    for root in (_PACKAGE.parents[1], _PACKAGE / "messenger_project"):
        if not _missing(root):
            return Project(root)
    raise UsageError("the messenger project is missing from this installation; reinstall inboxbench")
