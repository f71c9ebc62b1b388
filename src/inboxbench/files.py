"""Files: those of a user are read within bounds; results are written whole or not at all, which is checked at first."""

from __future__ import annotations

import errno
import os
import secrets
import select
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from inboxbench.errors import UsageError, shortened

MOST_BYTES = 64 << 20  # of a file that is read as a whole
_PATIENCE_S = 10.0  # for what writes into a pipe
_FULL = os.makedev(1, 7)  # /dev/full of Linux, on which every write fails


def read_text(path: Path) -> str:
    """Return a text in UTF-8, of 64 MiB at most, with or without a byte order mark, its lines ended by \\n.

    Raises UsageError that names the file and says why it cannot be read.
    """
    try:
        data = _read(path)
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        encoded = "UTF-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "another encoding, or no text"
        raise UsageError(f"{path}: cannot be read: it is not UTF-8 text ({encoded}); save it as UTF-8") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UsageError(f"{shortened(ascii(str(path))[1:-1], 300)}: cannot be read: {reason}") from None
    if "\0" in text:
        raise UsageError(f"{path}: cannot be read: it holds a NUL character; save it as text in UTF-8")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_lines(path: Path, *, encoding: str = "utf-8", errors: str | None = None) -> Iterator[str]:
    """Yield the lines of a text of any size with their ends; what is no regular file is read as `read_text` does.

    Raises UsageError that names the file, also for a line of more than 64 Mi characters; UnicodeDecodeError.
    """
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            yield from read_text(path).splitlines(keepends=True)
            return
        with path.open(newline="", encoding=encoding, errors=errors) as file:
            while line := file.readline(MOST_BYTES):
                if len(line) >= MOST_BYTES:
                    raise UsageError(f"{path}: cannot be read: it has a line of more than {MOST_BYTES >> 20} MiB")
                yield line
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from None


def _read(path: Path) -> bytes:
    """Return the bytes of a file or a pipe; a pipe into which nobody writes has none. Raises OSError or ValueError."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe without a writer would block
    with open(handle, "rb", buffering=0) as file:  # noqa: PTH123 - it is open already
        pipe = not stat.S_ISREG(os.fstat(handle).st_mode)
        pieces: list[bytes] = []
        size = 0
        while True:
            if pipe and not select.select([handle], [], [], _PATIENCE_S)[0]:
                raise ValueError(f"nothing came through this pipe for {_PATIENCE_S:.0f} s")
            if not (piece := file.read(1 << 20)):
                return b"".join(pieces)
            pieces.append(piece)
            size += len(piece)
            if size > MOST_BYTES:
                raise ValueError(f"it is larger than {MOST_BYTES >> 20} MiB")


def check_writable(
    path: Path | None, option: str = "--output", *, append: bool = False, makes_folder: bool = False
) -> None:
    """Check that `path` can be written before minutes of work are spent; None is fine.

    append: to what is there, as `write_text` does with `append`; makes_folder: its folder is made with it. Raises
    UsageError that names `option`, the path and the reason.
    """
    if path is None:
        return
    try:
        folder = path.resolve().parent
    except (OSError, RuntimeError, ValueError) as error:  # links that lead to each other, a NUL
        raise UsageError(f"{option} {path}: leads nowhere: {error}; name another file") from None
    try:
        if path.is_dir():
            raise UsageError(f"{option} {path}: is a folder; name a file in it")
        if not folder.is_dir() and makes_folder:
            check_folder(folder, option)
            return
        if not folder.is_dir():
            raise UsageError(
                f"{option} {path}: the folder {folder} does not exist; make it first, or name another file"
            )
        _try_to_write(path, append=append)
    except OSError as error:
        raise UsageError(f"{option} {path}: cannot be written: {error.strerror}; name another file") from None


def check_folder(path: Path, option: str) -> None:
    """Check that the folder `path` can be made, or written into. Raises UsageError as `check_writable` does."""
    try:
        path.is_dir()  # a name that is too long, or a loop of links, is said here
        there = next(place for place in (path.absolute(), *path.absolute().parents) if os.path.lexists(place))
        Path(tempfile.mkdtemp(prefix=".inboxbench-", dir=there)).rmdir()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"{option} {path}: cannot be written: {reason}; name another folder") from None


def _try_to_write(path: Path, *, append: bool) -> None:
    """Raise OSError unless `path` can be written as `write_text` will write it: a file by a draft in its folder."""
    if path.exists() and (append or not path.is_file()):
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        if path.is_char_device() and path.stat().st_rdev == _FULL:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return
    draft = _draft_of(path)
    try:
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        disk = os.statvfs(draft)
        if disk.f_blocks and not disk.f_bavail:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        with suppress(OSError):
            draft.unlink()


def _draft_of(path: Path) -> Path:
    """Return a new name in the folder of the file that `path` leads to, for what is renamed to it."""
    final = path.resolve()
    return final.with_name(f".{final.name}.{secrets.token_hex(4)}.part")


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
    final, draft = path.resolve(), _draft_of(path)
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
            with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
        else:
            with drafted(path) as draft:
                draft.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        name = f"{option} {path}".strip()
        raise UsageError(f"{name}: cannot be written: {error.strerror}; name another file") from error
