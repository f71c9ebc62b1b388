"""Outlives its owner by a moment: stops a cluster and removes its folder when the owner is gone.

Run as a script with isolated Python (standard library only, starts in 20 ms). The owner holds the write end of
our standard input; its end, however it comes (return, Ctrl-C, SIGTERM, SIGKILL), reads as end of file here.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path


def stop_postmaster(data: Path, patience_s: float = 10.0) -> None:
    """SIGQUIT (immediate shutdown: the data is thrown away), SIGKILL if that is not heard."""
    try:
        pid = int((data / "postmaster.pid").read_text().splitlines()[0])
    except (FileNotFoundError, ValueError, IndexError):
        return
    deadline = time.monotonic() + patience_s
    try:
        os.kill(pid, signal.SIGQUIT)
        while time.monotonic() < deadline:
            os.kill(pid, 0)
            time.sleep(0.02)
        subprocess.run(["pkill", "-KILL", "-P", str(pid)], check=False)
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def main() -> None:
    home = Path(sys.argv[1])
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    sys.stdin.buffer.read()
    stop_postmaster(home / "data")
    shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
