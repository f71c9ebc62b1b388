"""Three descriptions of head, one database: the migrations, schema/head.sql, models.py."""

from __future__ import annotations

from pathlib import Path

from inboxbench.cli.schema.command import drift, head_sql
from inboxbench.project import Project
from inboxbench.server import Server


def test_migrations_file_and_models_build_the_same_database(server: Server, project: Project) -> None:
    problems = drift(server, project)
    assert problems == "", problems


def test_the_file_is_what_the_migrations_would_write(server: Server, project: Project) -> None:
    written = (project.schema / "head.sql").read_text(encoding="utf-8")
    assert written == head_sql(server, project), "run `inboxbench schema dump --write`"


def test_drift_is_seen(server: Server, project: Project, tmp_path: Path) -> None:
    """The comparison has teeth: a project whose head.sql lacks an index and has a laxer check."""
    for folder in ("migrations", "seeds", "bench"):
        (tmp_path / folder).symlink_to(project.root / folder)
    (tmp_path / "pyproject.toml").symlink_to(project.pyproject)
    (tmp_path / "schema").mkdir()
    (tmp_path / "schema" / "baseline.sql").symlink_to(project.schema / "baseline.sql")
    text = (project.schema / "head.sql").read_text(encoding="utf-8")
    without_index = "\n".join(line for line in text.splitlines() if " conversations_queue_idx " not in line)
    changed = without_index.replace("char_length(body) <= 150000", "char_length(body) <= 20000")
    (tmp_path / "schema" / "head.sql").write_text(changed, encoding="utf-8")
    assert drift(server, Project(tmp_path)).splitlines() == [
        "conversations: index conversations_queue_idx",
        "  migrations       CREATE INDEX conversations_queue_idx ON conversations "
        "USING btree (inbox_id, created_at, id) WHERE ((status = 'open'::text) AND (assignee_id IS NULL))",
        "  schema/head.sql  absent",
        "messages: constraint messages_body_length_check",
        "  migrations       CHECK (char_length(body) <= 150000)",
        "  schema/head.sql  CHECK (char_length(body) <= 20000)",
    ]
