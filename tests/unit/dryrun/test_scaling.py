"""A fit over three sizes: what noise may say, and what it may not."""

from __future__ import annotations

import pytest

from inboxbench.dryrun.model import DryRun, Lock, LockMode, Scan, Statement
from inboxbench.dryrun.more import Curve, Grown, Scales
from inboxbench.dryrun.output.markdown import rows_of
from inboxbench.dryrun.scaling import Size, fit_curve, grow

_NOISE = [(5_000, 5.0), (10_000, 9.0), (20_000, 22.0)]
_PRODUCTION = 20_000_000
_ROWS = {"public.messages": 1_000_000, "public.users": 50}


def test_times_grow_only_with_the_work() -> None:
    curve = fit_curve("lock_hold_ms", _NOISE, _PRODUCTION, grows=False)
    assert (curve.constant, curve.origin) == (True, "extrapolated")
    assert curve.value == pytest.approx(12)


def test_far_beyond_the_sizes_the_error_is_that_of_the_prediction() -> None:
    near, far = (fit_curve("duration_ms", _NOISE, rows) for rows in (20_000, _PRODUCTION))
    assert near.origin == "measured"
    assert far.value == pytest.approx(far.start + far.slope * _PRODUCTION)
    assert far.error > 1_000 * near.error


def test_a_counter_that_is_a_line_is_read_off_exactly() -> None:
    curve = fit_curve("rows_read", [(n, n + 7) for n, _ in _NOISE], _PRODUCTION)
    assert curve.value == pytest.approx(_PRODUCTION + 7)
    assert curve.error == pytest.approx(0, abs=1)
    assert fit_curve("wal_bytes", [(n, 4_000 + n % 7) for n, _ in _NOISE], _PRODUCTION).constant


def _lock(relation: str, mode: LockMode) -> Lock:
    return Lock(relation, "table", mode, 0.0, 1.0)


def _filling(share: float) -> Size:
    """A revision that sums up messages in a table of its own, half as long, through one that it drops again."""
    messages = round(100_000 * share)
    statements = (
        Statement(
            1, "r1", "INSERT INTO scratch SELECT FROM messages", 7, 1, 0.0, messages / 10, wal_bytes=messages * 100,
            locks=(_lock("public.scratch", "ROW EXCLUSIVE"),), scans=(Scan("public.gone", messages),),
        ),
        Statement(
            2, "r1", "INSERT INTO sums SELECT FROM messages", 7, 2, 0.0, messages / 10, wal_bytes=messages * 50,
            locks=(_lock("public.sums", "ROW EXCLUSIVE"),), scans=(Scan("public.messages", messages),),
        ),
        Statement(
            3, "r1", "CREATE INDEX ON sums", 7, 3, 0.0, messages / 20, wal_bytes=messages * 10,
            locks=(_lock("public.sums", "SHARE"),), scans=(Scan("public.sums", messages // 2),),
        ),
    )  # fmt: skip
    run = DryRun("18", "shop", "alembic", "2026-11-23", 100.0, (), statements, ())
    return Size(share, run, {"public.messages": messages, "public.users": 50, "public.sums": messages // 2})


def test_a_table_that_the_chain_makes_grows_with_what_it_is_filled_from() -> None:
    scales = grow([_filling(share) for share in (0.25, 0.5, 1)], _ROWS, "--rows")
    built = next(one for one in scales.statements if one.sql == "CREATE INDEX ON sums")
    assert (built.tables, built.rows) == (("public.sums",), 500_000)
    assert built.curve("wal_bytes").value == pytest.approx(10_000_000)
    assert built.curve("wal_bytes").origin == "extrapolated"


def test_a_table_that_is_gone_again_grows_with_all_of_them() -> None:
    scales = grow([_filling(share) for share in (0.25, 0.5, 1)], _ROWS, "--rows")
    filled = next(one for one in scales.statements if one.sql and "scratch" in one.sql)
    assert (filled.tables, filled.rows) == ((), 1_500_050)
    assert filled.curve("wal_bytes").value == pytest.approx(100_000_000, rel=0.01)
    assert filled.curve("wal_bytes").origin == "extrapolated"


def test_the_longest_are_shown_beside_those_that_keep_others_waiting() -> None:
    def grown(name: str, seconds: float) -> Grown:
        measures = ("lock_hold_ms", "stall_ms", "duration_ms", "wal_bytes")
        curves = tuple(Curve(measure, (), 0.0, 1.0, 0.0, 1.0, seconds * 1000, "measured") for measure in measures)
        return Grown(name, None, (), 1, curves)

    revisions = tuple(grown(f"r{n:02}", n) for n in range(40))
    scales = Scales("affine", 3, (0.25, 0.5, 1.0), {}, "statistics", (), revisions)
    shown = [row[0] for row in rows_of(scales)]
    assert shown == [f"r{n:02}" for n in (*range(15), 39, 38, 37, 36, 35)]
