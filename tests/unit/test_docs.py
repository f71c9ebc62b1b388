"""The documentation is what the commands, rules and files say now, and its site is built strictly."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote

import pytest

from inboxbench.project import Project

_READ = (".ci", "bench", "docs", "examples", "seeds", "src", "CHANGELOG.md", "CONTRIBUTING.md", "zensical.toml")
_PLACES = ("bench", "docs", "examples", "migrations", "schema", "seeds", "src", "tests")
_OPTIONAL = {"bench/gate.toml"}


def _checked(root: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(root / ".ci" / "docs"), "--check"]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def _built(root: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("zensical")), "build", "--strict"]
    return subprocess.run(command, cwd=root, check=False, capture_output=True, text=True)


@pytest.fixture
def checkout(project: Project, tmp_path: Path) -> Path:
    """Copy what .ci/docs reads besides the package, so that a test may spoil it."""
    for name in _READ:
        source = project.root / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tmp_path / name)
    return tmp_path


def test_the_generated_pages_are_fresh(project: Project) -> None:
    done = _checked(project.root)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_stale_page_an_orphan_and_a_missing_image_are_named(checkout: Path) -> None:
    (checkout / "docs" / "orphan.md").write_text("# Orphan\n\n![gone](images/gone.png)\n", encoding="utf-8")
    (checkout / "docs" / "reference" / "commands" / "bench.md").write_text("# stale\n", encoding="utf-8")
    (checkout / "docs" / "reference" / "rules" / "gone.md").write_text("# a rule that went\n", encoding="utf-8")
    (checkout / "docs" / "how-to" / "mix.md").unlink()
    done = _checked(checkout)
    assert done.returncode == 1
    assert "docs/orphan.md is an orphan" in done.stdout
    assert "docs/orphan.md shows images/gone.png, which is not there" in done.stdout
    assert "docs/reference/commands/bench.md is stale" in done.stdout
    assert "docs/reference/rules/gone.md has no source any more" in done.stdout
    assert "zensical.toml names docs/how-to/mix.md, which is not there" in done.stdout


@pytest.mark.slow
def test_the_site_is_built_and_fetches_nothing(checkout: Path) -> None:
    done = _built(checkout)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = list((checkout / "site").rglob("*.html"))
    assert len(pages) > 50
    fetched = {address for page in pages for address in _fetched(page.read_text(encoding="utf-8"))}
    assert not fetched
    dead = {f"{page.name}: {link}" for page in pages for link in _dead_links(page)}
    assert not dead


def _fetched(page: str) -> Iterator[str]:
    """Yield the addresses of what a browser would load from a network to show the page."""
    for tag in re.findall(r"<(?:link|script|img|iframe|source)\b[^>]*>", page):
        if 'rel="canonical"' not in tag:
            yield from re.findall(r'(?:src|href)="?((?:https?:)?//[^" >]+)', tag)


def _dead_links(page: Path) -> Iterator[str]:
    """Yield the relative links whose file is not there: the build itself does not check what is included."""
    for link in re.findall(r'(?:src|href)="?([^"#?>\s]+)', page.read_text(encoding="utf-8")):
        if ":" not in link and page.name != "404.html" and not (page.parent / unquote(link)).exists():
            yield link


def test_broken_links_stop_the_build(checkout: Path) -> None:
    with (checkout / "docs" / "index.md").open("a", encoding="utf-8") as page:
        page.write("\n[page](how-to/gone.md), [part](tutorials/demo.md#no-such-part)\n")
    done = _built(checkout)
    assert done.returncode != 0
    assert "page does not exist" in done.stdout + done.stderr
    assert "anchor does not exist" in done.stdout + done.stderr


def test_the_results_are_those_of_a_run(project: Project) -> None:
    text = (project.root / "docs" / "case-study" / "demo-results.md").read_text(encoding="utf-8")
    assert "recommended" in text
    assert "PostgreSQL 18" in text


def test_the_front_page_is_short_and_its_links_lead_somewhere(project: Project) -> None:
    for name, most in (("README.md", 150), ("CONTRIBUTING.md", 400), ("SECURITY.md", 60)):
        text = (project.root / name).read_text(encoding="utf-8")
        assert text.count("\n") <= most, f"{name} has over {most} lines"
        for target in re.findall(r"\]\(([^)#\s]+)", text):
            assert "://" in target or (project.root / target).exists(), f"{name} links to {target}, which is not there"


@pytest.mark.parametrize("folder", ["schema", "migrations", "seeds", "bench"])
def test_each_folder_of_the_project_says_what_lies_there(project: Project, folder: str) -> None:
    text = (project.root / folder / "README.md").read_text(encoding="utf-8")
    assert "add" in text.lower()
    assert text.count("\n") <= 20
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        assert (project.root / folder / target).exists(), target


def test_what_hand_written_pages_name_is_there(project: Project) -> None:
    root = project.root
    pages = [root / "README.md", root / "CONTRIBUTING.md", root / "SECURITY.md", *(root / "docs").rglob("*.md")]
    gone = set()
    for page in pages:
        if "Generated by" in (text := page.read_text(encoding="utf-8")):
            continue
        for name in re.findall(rf"`((?:{'|'.join(_PLACES)})/[a-z0-9_./-]+)`", text):
            if name not in _OPTIONAL and not (root / name).exists():
                gone.add(f"{page.relative_to(root)}: {name}")
        for name in re.findall(r"`(inboxbench(?:\.[a-z_]+)+)", text):
            if not _can_be_imported(name):
                gone.add(f"{page.relative_to(root)}: {name}")
    assert not gone


def _can_be_imported(name: str) -> bool:
    """Whether a dotted name is a module of the package, or a name in one."""
    module, _, attribute = name.rpartition(".")
    try:
        return hasattr(import_module(module), attribute) or find_spec(name) is not None
    except ModuleNotFoundError:
        return False
