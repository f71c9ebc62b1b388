"""A dataset travels as one file and arrives whole, or not at all."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from inboxbench.database import connect, list_databases
from inboxbench.errors import UsageError
from inboxbench.project import Project
from inboxbench.seed import Dataset, export_dataset, import_dataset, load_dataset, remove_dataset
from inboxbench.seed.row_source import row_source_name
from inboxbench.server import Server

DIGEST = "SELECT md5(string_agg(md5(t::text), '' ORDER BY id)) FROM messages t"


@pytest.fixture(scope="module")
def exported(
    server: Server, project: Project, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Dataset, Path, object]:
    """A dataset at head, its file, and a digest of its messages; the dataset itself is removed again."""
    path = tmp_path_factory.mktemp("export") / "tiny.zip"
    dataset = load_dataset(server, "tiny", 31, size=10_000, at="head", project=project)
    with connect(server.conninfo(dataset.name)) as connection:
        digest = connection.execute(DIGEST).fetchone()
    export_dataset(server, dataset.name, path, project=project)
    remove_dataset(server, dataset.name)
    return dataset, path, digest


def names(server: Server) -> set[str]:
    return {info.name for info in list_databases(server)}


def test_what_arrives_is_what_left(server: Server, project: Project, exported: tuple[Dataset, Path, object]) -> None:
    dataset, path, digest = exported
    arrived = import_dataset(server, path, project=project)
    try:
        assert arrived.checksums == dataset.checksums
        with connect(server.conninfo(arrived.name)) as connection:
            assert connection.execute(DIGEST).fetchone() == digest
            next_id = connection.execute("SELECT nextval('messages_id_seq')").fetchone()
        assert next_id is not None
        assert next_id[0] > 10_000
        assert load_dataset(server, "tiny", 31, size=10_000, at="head", project=project).reused
        with pytest.raises(UsageError, match="already; nothing to import"):
            import_dataset(server, path, project=project)
    finally:
        remove_dataset(server, arrived.name)


def test_a_cut_file_leaves_nothing(
    server: Server, project: Project, tmp_path: Path, exported: tuple[Dataset, Path, object]
) -> None:
    cut = tmp_path / "cut.zip"
    cut.write_bytes(exported[1].read_bytes()[:-5_000])
    before = names(server)
    with pytest.raises(UsageError, match=r"cut.zip is no whole export of a dataset"):
        import_dataset(server, cut, project=project)
    assert names(server) == before


def test_a_damaged_file_leaves_nothing(
    server: Server, project: Project, tmp_path: Path, exported: tuple[Dataset, Path, object]
) -> None:
    """A byte changed in the middle of a table: the archive's own checksum, or COPY, notices."""
    damaged = bytearray(exported[1].read_bytes())
    with zipfile.ZipFile(exported[1]) as archive:
        place = archive.getinfo("messages.copy").header_offset + 20_000
    damaged[place] ^= 0xFF
    path = tmp_path / "damaged.zip"
    path.write_bytes(damaged)
    before = names(server)
    with pytest.raises(UsageError, match="export it again"):
        import_dataset(server, path, project=project)
    assert names(server) == before


@pytest.mark.parametrize(
    "facts",
    [b"{nope", b"[1]", b"\xff\xfe", b'{"rows": null}', b'{"churn": {"x": 1}}', b'{"churn": {"rounds": "two"}}'],
)
def test_facts_that_are_not_as_written_are_one_line(
    server: Server, project: Project, tmp_path: Path, exported: tuple[Dataset, Path, object], facts: bytes
) -> None:
    """Anything but JSON as it stands; JSON of an object takes the place of those keys of the dataset."""
    path = tmp_path / "edited.zip"
    with zipfile.ZipFile(exported[1]) as archive, zipfile.ZipFile(path, "w") as edited:
        manifest = json.loads(archive.read("dataset.json"))
        if facts.endswith(b"}"):
            manifest["dataset"] |= json.loads(facts)
        edited.writestr("dataset.json", json.dumps(manifest) if facts.endswith(b"}") else facts)
    before = names(server)
    with pytest.raises(UsageError, match=r"edited\.zip: dataset\.json is not as we wrote it: .*; export it again"):
        import_dataset(server, path, project=project)
    assert names(server) == before


def test_another_schema_is_refused(
    server: Server, tmp_path: Path, project: Project, exported: tuple[Dataset, Path, object]
) -> None:
    for folder in ("migrations", "seeds", "bench"):
        (tmp_path / folder).mkdir()
    (tmp_path / "schema").mkdir()
    (tmp_path / "schema" / "head.sql").write_text("CREATE TABLE other (id int);", encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(
        f'[tool.inboxbench]\nrow-source = "{row_source_name(project)}"\n', encoding="utf-8"
    )
    with pytest.raises(UsageError, match=r"was exported from another head\.sql than this project's"):
        import_dataset(server, exported[1], project=Project(tmp_path))


def test_what_is_missing_is_said(server: Server, project: Project, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown dataset 'none'"):
        export_dataset(server, "none", tmp_path / "x.zip", project=project)
    with pytest.raises(UsageError, match=r"none.zip does not exist"):
        import_dataset(server, tmp_path / "none.zip", project=project)


def test_a_file_is_never_overwritten(server: Server, project: Project, exported: tuple[Dataset, Path, object]) -> None:
    dataset = load_dataset(server, "tiny", 31, size=10_000, at="head", project=project)
    try:
        with pytest.raises(UsageError, match="exists already; choose another file"):
            export_dataset(server, dataset.name, exported[1], project=project)
        with pytest.raises(UsageError, match="could not be written"):
            export_dataset(server, dataset.name, Path("/nonexistent/x.zip"), project=project)
    finally:
        remove_dataset(server, dataset.name)
