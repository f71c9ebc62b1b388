"""A project: the four folders that say what the database is, how it gets there, and what is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from inboxbench.errors import UsageError, shortened

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
    def queries(self) -> Path:
        """One query a file."""
        return self.bench / "queries"

    @property
    def traffic(self) -> Path:
        """Requests of the application that is deployed, in the format of `dryrun --traffic`."""
        return self.bench / "traffic"

    @property
    def indexes(self) -> Path:
        """The catalogue of index sets."""
        return self.schema / "indexes.toml"

    @property
    def headers_required(self) -> bool:
        """Whether every query says in a header what it is."""
        return True

    @property
    def pyproject(self) -> Path:
        return self.root / "pyproject.toml"

    @property
    def extensions(self) -> Path:
        """The pyproject.toml that names the code that the project brings (see inboxbench.extensions)."""
        return self.pyproject


@dataclass(frozen=True, slots=True)
class Loose(Project):
    """Queries and index sets that stand alone: `root` holds the queries, one a file, a header or none; beside them
    may lie classes.toml, draws/, writes/ and targets/. `catalogue`: the file of index sets."""

    catalogue: Path

    @property
    def bench(self) -> Path:
        return self.root

    @property
    def schema(self) -> Path:
        return self.catalogue.parent

    @property
    def queries(self) -> Path:
        return self.root

    @property
    def indexes(self) -> Path:
        return self.catalogue

    @property
    def headers_required(self) -> bool:
        return False


def _missing(root: Path, needs: Sequence[str] = _FOLDERS) -> list[str]:
    return [folder for folder in needs if not (root / folder).is_dir()]


def find_project(path: Path | None = None, needs: Sequence[str] | None = None) -> Project:
    """The project at `path`, else the messenger: of the checkout when run from one, else the wheel's copy.

    Raises UsageError when a folder of the project is missing. needs: folders that `path` must have (None: all).
    """
    if path is not None:
        shown = shortened(ascii(str(path))[1:-1], 200)
        try:
            missing, root = _missing(path, _FOLDERS if needs is None else needs), path.resolve()
        except (OSError, RuntimeError, ValueError) as error:  # too long, links in a circle, a NUL
            raise UsageError(f"the project {shown} is no folder: {getattr(error, 'strerror', None) or error}") from None
        if missing:
            raise UsageError(f"{shown} is no inboxbench project: it lacks {', '.join(f'{m}/' for m in missing)}")
        return Project(root)
    for root in (_PACKAGE.parents[1], _PACKAGE / "messenger_project"):
        if not _missing(root):
            return Project(root)
    raise UsageError("the messenger project is missing from this installation; reinstall inboxbench")
