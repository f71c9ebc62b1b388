from __future__ import annotations

from pathlib import Path

import pytest

from inboxbench.config import load_settings
from inboxbench.errors import UsageError


def _write(folder: Path, table: str) -> Path:
    (folder / "pyproject.toml").write_text(f"[tool.inboxbench]\n{table}\n", encoding="utf-8")
    return folder


def test_a_flag_beats_the_environment_which_beats_the_file(tmp_path: Path) -> None:
    start = _write(tmp_path, 'server = "container"')
    environment = {"INBOXBENCH_SERVER": "embedded:17"}
    assert load_settings(start=start, environment={}).server == "container"
    assert load_settings(start=start, environment=environment).server == "embedded:17"
    assert load_settings({"server": "embedded"}, start=start, environment=environment).server == "embedded"


def test_a_setting_knows_where_it_was_given(tmp_path: Path) -> None:
    start = _write(tmp_path, 'server = "container"\ncache_limit = "1GB"\nrow-source = "nope"')
    settings = load_settings(start=start, environment={"INBOXBENCH_CACHE_LIMIT": "2GB"})
    assert settings.origin("server") == f"{tmp_path}/pyproject.toml [tool.inboxbench] server"
    assert settings.origin("cache_limit") == "INBOXBENCH_CACHE_LIMIT"
    assert load_settings({"server": "embedded"}, start=start).origin("server") == "the value of --server"
    assert settings.pyproject == tmp_path / "pyproject.toml"
    assert set(settings.brought) == {"row-source"}


def test_without_any_source_the_server_is_embedded(tmp_path: Path) -> None:
    assert load_settings(start=tmp_path, environment={}).server == "embedded"


def test_a_project_is_relative_to_the_file_that_names_it(tmp_path: Path) -> None:
    start = _write(tmp_path, 'project = "database"')
    assert load_settings(start=start, environment={}).project == str(tmp_path / "database")


@pytest.mark.parametrize(
    ("table", "telling"),
    [
        ('servr = "embedded"', "unknown key 'servr'; did you mean 'server'?"),
        ("server = 5", "server: expected a string, found a whole number"),
        ("server = ", "not TOML"),
        ('server = ["postgresql://bob:s3cret@db/x"]', "server: expected a string, found a list"),
        ('server = {url = "postgresql://bob:s3cret@db/x"}', "server: expected a string, found a table"),
    ],
)
def test_a_wrong_table_names_file_and_key(tmp_path: Path, table: str, telling: str) -> None:
    with pytest.raises(UsageError) as raised:
        load_settings(start=_write(tmp_path, table), environment={})
    assert str(tmp_path / "pyproject.toml") in str(raised.value)
    assert telling in str(raised.value)
    assert "s3cret" not in str(raised.value)
