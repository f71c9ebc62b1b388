"""Files that results are written to: checked before the work, written whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from inboxbench.errors import UsageError


def check_writable(path: Path | None, option: str = "--output") -> None:
    """Check that `path` can be written before minutes of work are spent; None is fine.

    Raises UsageError that names `option`, the path and the reason.
    """
    if path is None:
        return
    folder = path.resolve().parent
    if not folder.is_dir():
        raise UsageError(f"{option} {path}: the folder {folder} does not exist; make it first, or name another file")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise UsageError(f"{option} {path}: may not be written; name another file")


@contextmanager
def drafted(path: Path) -> Iterator[Path]:
    """Yield a draft beside `path`, and rename it to `path` when the block ends well; else remove it.

    A reader of `path` never finds half of it, and two processes that write it do not mix. What is no regular file (a
    pipe, /dev/null) cannot be replaced and is yielded itself. A symbolic link stays: the file behind it is replaced.
    Raises OSError.
    """
    if path.exists() and not path.is_file():
        yield path
        return
    final = path.resolve()
    draft = final.with_name(f".{final.name}.{secrets.token_hex(4)}.part")
    try:
        yield draft
        if final.exists():
            shutil.copymode(final, draft)
        draft.replace(final)
    finally:
        draft.unlink(missing_ok=True)


def write_text(path: Path, text: str, *, option: str = "", append: bool = False) -> None:
    """Write `text` to `path` whole or not at all, or add it to the end of what is there with `append`.

    Raises UsageError with the reason, beginning with `option` if one is given.
    """
    try:
        if append:
            with path.open("a", encoding="utf-8") as file:
                file.write(text)
        else:
            with drafted(path) as draft:
                draft.write_text(text, encoding="utf-8")
    except OSError as error:
        name = f"{option} {path}".strip()
        raise UsageError(f"{name}: cannot be written: {error.strerror}; name another file") from error
