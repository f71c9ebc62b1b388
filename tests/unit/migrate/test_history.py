"""Reading a project's revisions: what is wrong with one is said with its file."""

from __future__ import annotations

from pathlib import Path

import pytest

from inboxbench.errors import UsageError
from inboxbench.migrate.history import find, last_of_phase, read_history
from inboxbench.project import Project

REVISION = '''"""What {number} does.

More words.
"""

revision = "{number}"
down_revision = {down!r}
{more}


def upgrade():
    pass
'''


@pytest.fixture
def other(tmp_path: Path) -> Project:
    """A project of somebody else's, whose revisions say nothing about phases and ids."""
    (tmp_path / "migrations" / "versions").mkdir(parents=True)
    (tmp_path / "migrations" / "env.py").write_text("")
    settings = '[tool.alembic]\nscript_location = "%(here)s/migrations"\n'
    (tmp_path / "pyproject.toml").write_text(settings)
    return Project(tmp_path)


def _add(project: Project, number: str, down: str | None, more: str = "") -> None:
    path = project.migrations / "versions" / f"{number}_expand_{number}.py"
    path.write_text(REVISION.format(number=number, down=down, more=more))


def test_revisions_come_oldest_first_with_what_they_say(other: Project) -> None:
    _add(other, "b", "a", 'phase = 2\nids = ("C1",)\nkind = "backfill"\ndowngrade_reason = "because"')
    _add(other, "a", None)
    first, second = read_history(other)
    assert (first.revision, first.kind, first.phase, first.ids) == ("a", None, None, ())
    assert (second.down_revision, second.slug, second.title) == ("a", "expand_b", "What b does")
    assert (second.kind, second.phase, second.ids, second.downgrade_reason) == ("backfill", 2, ("C1",), "because")


def test_two_heads_are_refused(other: Project) -> None:
    _add(other, "a", None)
    _add(other, "b", "a")
    _add(other, "c", "a")
    with pytest.raises(UsageError, match=r"2 heads \(b, c\); the history must be one line"):
        read_history(other)


def test_a_revision_that_follows_nothing_is_named(other: Project) -> None:
    _add(other, "b", "gone")
    with pytest.raises(UsageError, match="a revision follows 'gone', which is not there"):
        read_history(other)


def test_ids_must_be_a_tuple(other: Project) -> None:
    _add(other, "a", None, 'ids = "C1"')
    with pytest.raises(UsageError, match=r"a_expand_a\.py ids: expected a tuple of strings, found 'C1'"):
        read_history(other)


def test_a_project_without_alembic_settings(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no pyproject\.toml with \[tool\.alembic\] and no alembic\.ini"):
        read_history(Project(tmp_path))
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    with pytest.raises(UsageError, match=r"\[tool\.alembic\] script_location: missing"):
        read_history(Project(tmp_path))


def test_a_phase_ends_at_its_last_revision(other: Project) -> None:
    for number, down, phase in (("a", None, 1), ("b", "a", 1), ("c", "b", 2)):
        _add(other, number, down, f"phase = {phase}")
    history = read_history(other)
    assert (last_of_phase(history, 1), last_of_phase(history, 2)) == ("b", "c")
    with pytest.raises(UsageError, match="unknown phase '7'"):
        last_of_phase(history, 7)


def test_a_phase_that_is_scattered_cannot_be_run_alone(other: Project) -> None:
    for number, down, phase in (("a", None, 1), ("b", "a", 2), ("c", "b", 1)):
        _add(other, number, down, f"phase = {phase}")
    with pytest.raises(UsageError, match="not a stretch of the history of its own"):
        last_of_phase(read_history(other), 1)


def test_an_unknown_revision_gets_the_nearest_name(project: Project) -> None:
    with pytest.raises(UsageError, match="unknown revision '013'; did you mean"):
        find(read_history(project), "013")
