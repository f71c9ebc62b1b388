"""Work in a process of its own: done when the block ends, and its errors are ours."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest

from inboxbench.errors import UsageError
from inboxbench.messenger.data.text import phrases
from inboxbench.seed.load.process_pool import in_background

two_processors = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one processor")


def test_it_is_done_at_the_end(tmp_path: Path) -> None:
    with in_background(partial(os.mkdir, tmp_path / "made")):
        pass
    assert (tmp_path / "made").is_dir()


@two_processors
def test_it_is_another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with in_background(partial(os.chdir, "/")):
        pass
    assert Path.cwd() == tmp_path


def test_alone_it_is_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    with in_background(partial(os.chdir, tmp_path), alone=True):
        assert Path.cwd() == tmp_path


def test_its_error_is_raised_here(tmp_path: Path) -> None:
    with (
        pytest.raises(UsageError, match=r"support\.ru\.txt is missing"),
        in_background(partial(phrases, tmp_path, "ru")),
    ):
        pass


def test_an_error_of_ours_does_not_wait_for_it(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="ours"), in_background(partial(os.mkdir, tmp_path / "made")):
        raise KeyError("ours")
