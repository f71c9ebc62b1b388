"""What a run was made on, as a figure without its machine says nothing; and the quiet that a clock needs there."""

from __future__ import annotations

import gc
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.platform()


def _cores() -> int:
    """Those that we may use: a container or a runner often gets fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe_machine() -> dict[str, Any]:
    """The `machine` part of run.json. memory_gb in GiB."""
    return {
        "cpu": _processor(),
        "cores": _cores(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "os": _system(),
        "python": platform.python_version(),
    }


@dataclass(frozen=True, slots=True)
class ProcessorTime:
    """Seconds of all processors of the machine since it was started: all, idle, and stolen by the host for others."""

    total: float
    idle: float
    stolen: float

    @classmethod
    def now(cls) -> ProcessorTime:
        times = psutil.cpu_times()
        # Guests are counted as users already.
        total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
        return cls(total, times.idle + getattr(times, "iowait", 0.0), getattr(times, "steal", 0.0))

    def since(self, earlier: ProcessorTime) -> ProcessorTime:
        return ProcessorTime(self.total - earlier.total, self.idle - earlier.idle, self.stolen - earlier.stolen)

    def others_share(self, own: float = 0.0) -> float:
        """The share that other processes used, where `own` seconds were ours."""
        return min(1.0, max(0.0, (self.total - self.idle - self.stolen - own) / max(self.total, 1e-9)))


@contextmanager
def no_collection() -> Iterator[None]:
    """No search for cyclic garbage in the block: it stops all threads, and live traffic would seem to have waited.

    Beside an observer of a minute, with a million objects, it took half a second; without, nobody waited 70 ms.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
