"""A dataset travels as one file and arrives whole, or not at all."""

from __future__ import annotations

import hashlib
import json
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from inboxbench.database import connect, list_databases, scratch_database
from inboxbench.errors import UsageError
from inboxbench.project import Project
from inboxbench.seed import Dataset, export_dataset, import_dataset, list_datasets, load_dataset, remove_dataset
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
    """A byte changed in the middle of a table: the archive's own checksum, ours, or COPY notices."""
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


def sealed(manifest: dict[str, Any]) -> str:
    """A manifest whose digest is right, whatever else it says."""
    facts = {key: value for key, value in manifest.items() if key != "sha256"}
    return json.dumps({**facts, "sha256": hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()})


def edited(
    source: Path,
    path: Path,
    members: Mapping[str, bytes | None] | None = None,
    *,
    manifest: Callable[[dict[str, Any]], str] = json.dumps,
) -> Path:
    """A whole zip file, its own checksums right, with another manifest and other members (None: left out)."""
    with zipfile.ZipFile(source) as archive, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        contents = {name: archive.read(name) for name in archive.namelist() if name != "dataset.json"}
        contents |= {"dataset.json": manifest(json.loads(archive.read("dataset.json"))).encode()}
        for name, data in {**contents, **(members or {})}.items():
            if data is not None:
                made.writestr(name, data)
    return path


def refused(server: Server, project: Project, path: Path) -> str:
    before = names(server)
    with pytest.raises(UsageError) as caught:
        import_dataset(server, path, project=project)
    assert names(server) == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_letter_replaced_everywhere_is_noticed(
    server: Server, project: Project, tmp_path: Path, exported: tuple[Dataset, Path, object]
) -> None:
    """The archive is whole and COPY takes every row, but they are not those that were exported."""
    with zipfile.ZipFile(exported[1]) as archive:
        data = archive.read("messages.copy")
    assert data.count(b"e") > 1_000
    path = edited(exported[1], tmp_path / "e.zip", {"messages.copy": data.replace(b"e", b"o")})
    assert "messages.copy is not what was exported: its digest differs" in refused(server, project, path)


NO_MANIFESTS = (
    "{nope", "[1]", "\x00", "[" * 100_000, f'{{"format": {"9" * 5_000}}}', '{"format": 1}', '{"format": 2}', "{}",
    '"x"',
)  # fmt: skip


@pytest.mark.parametrize("text", NO_MANIFESTS)
def test_a_manifest_that_is_none_is_one_line(
    server: Server, project: Project, tmp_path: Path, exported: tuple[Dataset, Path, object], text: str
) -> None:
    path = edited(exported[1], tmp_path / "edited.zip", manifest=lambda _: text)
    message = refused(server, project, path)
    assert "dataset.json is not as we wrote it" in message or "was exported by another version" in message
    assert message.endswith("export it again")


def test_facts_changed_by_hand_are_noticed(
    server: Server, project: Project, tmp_path: Path, exported: tuple[Dataset, Path, object]
) -> None:
    def other_checksum(manifest: dict[str, Any]) -> str:
        manifest["dataset"]["checksums"]["messages"] = "0" * 16
        return json.dumps(manifest)

    path = edited(exported[1], tmp_path / "edited.zip", manifest=other_checksum)
    assert "its digest is not that of what it says" in refused(server, project, path)


@pytest.mark.parametrize(
    "facts",
    [
        {"rows": None}, {"churn": {"x": 1}}, {"churn": {"rounds": "two"}}, {"checksums": {}}, {"rows": {}},
        {"checksums": {"messages": 7}}, {"octets": {"messages": -1}}, {"seconds": {}}, {"created": "yesterday"},
        {"counted": "nothing"}, {"elapsed": "long"}, {"created": 10**30}, {"checksums": None}, {"at": "nowhere"},
    ],
)  # fmt: skip
def test_facts_that_do_not_fit_are_one_line(
    server: Server, project: Project, tmp_path: Path, exported: tuple[Dataset, Path, object], facts: dict[str, Any]
) -> None:
    """Even when their digest is right."""

    def changed(manifest: dict[str, Any]) -> str:
        return sealed({**manifest, "dataset": {**manifest["dataset"], **facts}})

    refused(server, project, edited(exported[1], tmp_path / "edited.zip", manifest=changed))


@pytest.mark.parametrize("name", ["../up", "inboxbench_ds_/etc", "postgres", "inboxbench_" + "x" * 80, "", 7, None])
def test_a_name_that_is_none_is_refused(
    server: Server, project: Project, tmp_path: Path, exported: tuple[Dataset, Path, object], name: object
) -> None:
    path = edited(exported[1], tmp_path / "edited.zip", manifest=lambda manifest: sealed({**manifest, "name": name}))
    assert "dataset.json is not as we wrote it" in refused(server, project, path)


@pytest.mark.parametrize("member", ["../../outside", "/etc/passwd", "messages.copy/", "C:\\x"])
def test_members_that_no_export_has_are_refused(
    server: Server, project: Project, tmp_path: Path, exported: tuple[Dataset, Path, object], member: str
) -> None:
    path = edited(exported[1], tmp_path / "edited.zip", {member: b"x"})
    assert "which no export has; export it again" in refused(server, project, path)


def test_a_member_that_is_missing_or_there_twice_is_refused(
    server: Server, project: Project, tmp_path: Path, exported: tuple[Dataset, Path, object]
) -> None:
    path = edited(exported[1], tmp_path / "less.zip", {"users.copy": None})
    assert "lacks a table" in refused(server, project, path)
    path = edited(exported[1], tmp_path / "more.zip")
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("users.copy", b"x")
    assert "has one twice" in refused(server, project, path)


def test_a_tar_file_and_a_folder_are_no_exports(server: Server, project: Project, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("../../dataset.json"))
    assert "is no whole export of a dataset" in refused(server, project, tmp_path / "x.tar")
    assert "cannot be read: Is a directory" in refused(server, project, tmp_path)


def test_a_large_manifest_is_refused_with_little_memory(server: Server, project: Project, tmp_path: Path) -> None:
    path = tmp_path / "large.zip"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("dataset.json", "w", force_zip64=True) as member,
    ):
        member.write(b'{"format": 2, "x": "')
        for _ in range(200):
            member.write(b" " * (1 << 20))
    tracemalloc.start()
    try:
        assert "dataset.json has more than 1 MB, which no export has" in refused(server, project, path)
        assert tracemalloc.get_traced_memory()[1] < 30 << 20
    finally:
        tracemalloc.stop()


def test_a_malformed_marker_ends_no_list(server: Server) -> None:
    """Comments of our databases as nobody wrote them: listed as left by another version, and removed by name."""
    with scratch_database(server, "marked") as name:
        for marker in ('{"kind": "dataset", "created": "x", "template": 7}', '{"kind": ["dataset"]}', '{"kind": {}}'):
            with connect(server.conninfo()) as connection:
                comment = sql.SQL("COMMENT ON DATABASE {} IS {}")
                connection.execute(comment.format(sql.Identifier(name), sql.Literal(f"inboxbench: {marker}")))
            found = [stored for stored in list_datasets(server) if stored.name == name]
            assert [stored.dataset for stored in found] in ([None], [])


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
