"""Two ways to sell the next free seat. Both look right, and both pass a test with one buyer."""

from __future__ import annotations

from psycopg import Connection

_FREE = "SELECT id FROM seats WHERE buyer IS NULL ORDER BY id LIMIT 1"
_SELL = "UPDATE seats SET buyer = %s WHERE id = %s"
_KEEP = "INSERT INTO sales (seat_id, buyer) VALUES (%s, %s)"


def sell_seen_free(connection: Connection, buyer: int) -> int | None:
    """Sell a seat that was free when it was read: another buyer may have read the same."""
    return _sell(connection, _FREE, buyer)


def sell_locked(connection: Connection, buyer: int) -> int | None:
    """Sell a seat that is locked from the moment it is read; seats that others have locked are passed over."""
    return _sell(connection, f"{_FREE} FOR UPDATE SKIP LOCKED", buyer)


def _sell(connection: Connection, free: str, buyer: int) -> int | None:
    seat = connection.execute(free.encode()).fetchone()
    if seat is None:
        return None
    connection.execute(_SELL, (buyer, seat[0]))
    connection.execute(_KEEP, (seat[0], buyer))
    return int(seat[0])
