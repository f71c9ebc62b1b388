"""Carries the frames of another driver to the server over a session's own connection, a round trip a step.

The driver writes what it would write to a socket, and reads what the server answers. It gets a session that is
connected already, so its start-up is answered here. While it is used psycopg has no part in the connection, so the
state of the transaction is read from the frames. See the chapter on the protocol in PostgreSQL's manual.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from psycopg import OperationalError, pq
from psycopg.abc import PQGen
from psycopg.waiting import Wait

from inboxbench.errors import SubjectFailed
from inboxbench.race.explore.gated_connection import GatedConnection, MisuseError

# A frame of the driver after which it waits for an answer: Query, Sync, Flush, CopyDone and CopyFail.
_ASKS = b"QSHcf"
_FLUSH = b"H\0\0\0\4"
_SETTINGS = (
    *("server_version", "server_encoding", "client_encoding", "DateStyle", "IntervalStyle", "TimeZone"),
    *("integer_datetimes", "standard_conforming_strings", "is_superuser", "session_authorization", "in_hot_standby"),
)
_STATUS = {
    b"I": pq.TransactionStatus.IDLE,
    b"T": pq.TransactionStatus.INTRANS,
    b"E": pq.TransactionStatus.INERROR,
}
_BLOCK = 1 << 16
_HEADER = 5


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame of either side. kind: its first byte; data: all of it."""

    kind: bytes
    data: bytes

    @property
    def body(self) -> bytes:
        return self.data[_HEADER:]


def split_frames(data: bytes) -> tuple[list[Frame], bytes]:
    """Return the whole frames that `data` begins with, and what is left."""
    frames = []
    while len(data) >= _HEADER:
        (length,) = struct.unpack_from("!i", data, 1)
        if len(data) < length + 1:
            break
        frames.append(Frame(data[:1], data[: length + 1]))
        data = data[length + 1 :]
    return frames, data


@dataclass
class _Answer:
    """What the step says of itself, in the place of a cursor. pgresult: rows are the driver's to read."""

    statusmessage: str = ""
    pgresult: None = None


class Relay:
    """The other driver's side of a session's connection. deliver: is given what the server answers.

    literal: what the statement that is sent next looks like with its values, where the driver knows it. ended: the
    driver has closed its connection. asks_for_itself: what it sends is about types and no statement of the function.
    """

    def __init__(self, gate: GatedConnection, deliver: Callable[[bytes], None]) -> None:
        if gate.pgconn.ssl_in_use or gate.pgconn.used_gssapi:
            raise SubjectFailed(
                "another driver than psycopg cannot share a connection that is encrypted; add sslmode=disable (and "
                "gssencmode=disable) to the connection string of --server"
            )
        self._gate = gate
        self._deliver = deliver
        self._written = b""
        self._batch: list[Frame] = []
        self._started = False
        self._statements: dict[bytes, str] = {}
        self._portals: dict[bytes, str] = {}
        self._text = ""
        self._begun = False
        self._error = ""
        self._rest = b""
        self._status = pq.TransactionStatus.IDLE
        self.literal = ""
        self.ended = False
        self.asks_for_itself = False
        gate.relay = self
        gate.untracked = True

    @property
    def at_rest(self) -> bool:
        """Return whether psycopg may go on with the connection: no transaction, and nothing that was half read."""
        return self._status == pq.TransactionStatus.IDLE and not self._rest

    @property
    def status(self) -> pq.TransactionStatus:
        return self._status

    def write(self, data: bytes) -> None:
        """Take what the driver sends; make the round trips that it asks for, each when the scheduler says so."""
        self._written += data
        if not self._started:
            self._start()
        frames, self._written = split_frames(self._written)
        for frame in frames:
            if frame.kind == b"X":
                self.finish()
                self.ended = True
                return
            self._batch.append(frame)
            self._note(frame)
            if frame.kind in _ASKS:
                batch, self._batch = self._batch, []
                self._ask(batch)

    def finish(self) -> None:
        """Roll back what is open, as the server does when a driver closes its connection."""
        if self._status != pq.TransactionStatus.IDLE and not self._gate.closed:
            self.literal, self._text = "", "ROLLBACK"
            self._gated(_query("ROLLBACK"), b"Z", deliver=False)

    def _start(self) -> None:
        """Answer the start-up packet: the session is there already."""
        if len(self._written) < 4 or len(self._written) < (length := struct.unpack_from("!i", self._written)[0]):
            return
        self._started, self._written = True, self._written[length:]
        pgconn = self._gate.pgconn
        known = [(name.encode(), pgconn.parameter_status(name.encode())) for name in _SETTINGS]
        self._deliver(
            _frame(b"R", struct.pack("!i", 0))
            + b"".join(_frame(b"S", name + b"\0" + value + b"\0") for name, value in known if value is not None)
            + _frame(b"K", struct.pack("!ii", pgconn.backend_pid, 0))
            + _frame(b"Z", b"I")
        )

    def _note(self, frame: Frame) -> None:
        """Remember which statement the coming round trip is about."""
        if frame.kind == b"Q":
            self._text = _text(frame.body)
        elif frame.kind == b"P":
            name, _, rest = frame.body.partition(b"\0")
            self._statements[name] = self._text = _text(rest)
        elif frame.kind == b"B":
            portal, name, _ = frame.body.split(b"\0", 2)
            self._text = self._portals[portal] = self._statements.get(name, self._text)
        elif frame.kind == b"E":
            self._text = self._portals.get(frame.body.partition(b"\0")[0], self._text)

    def _ask(self, batch: list[Frame]) -> None:
        """Make the round trips of one batch: one for each statement that it executes."""
        if self._gate.cure is not None:
            self._gate.misuse = "sends its statements by another driver, where no cure can be tried"
            raise MisuseError
        if {frame.kind for frame in batch} <= {b"C", b"S"} and not self._begun:
            self._gate.wait_ungated(self._round_trip(_joined(batch), b"Z", _Answer()))  # forgets a prepared statement
            return
        executed = [place for place, frame in enumerate(batch) if frame.kind == b"E"]
        begin = 0
        for place in executed[:-1]:
            if not self._gated(_joined(batch[begin : place + 1]) + _FLUSH, b"CIsE"):
                begin = len(batch) - 1  # after an error the server skips all up to the Sync
                break
            begin = place + 1
        flushes = batch[-1].kind == b"H"
        self._gated(_joined(batch[begin:]), b"TnE" if flushes else b"ZG", prepares=flushes and not executed)

    def _gated(self, data: bytes, ends: bytes, *, prepares: bool = False, deliver: bool = True) -> bool:
        """Make one round trip as a step. Returns whether the server answered without an error.

        To prepare and to execute a statement are two round trips and one step: whoever prepares goes on at once.
        """
        answer = _Answer(self._error if self._begun else "")
        self._error = ""
        generator = self._round_trip(data, ends, answer, deliver=deliver)
        if self._is_no_choice():
            self._gate.wait_ungated(generator)
        else:
            self._gate.announce(self.literal or self._text, answer)  # type: ignore[arg-type]
            continues, self._begun = self._begun, prepares
            self._gate.wait(generator, continues=continues, prepares=prepares)
        return not self._error

    def _is_no_choice(self) -> bool:
        """Return whether nobody can see when it happens: BEGIN, or what the driver asks for itself."""
        word = self._text.strip().rstrip(";").upper()
        idle = self._status == pq.TransactionStatus.IDLE
        return (idle and word in ("BEGIN", "ROLLBACK", "COMMIT")) or self.asks_for_itself

    def _round_trip(self, data: bytes, ends: bytes, answer: _Answer, *, deliver: bool = True) -> PQGen[Any]:
        socket = self._gate.pgconn.socket
        while data:
            try:
                data = data[os.write(socket, data) :]
            except BlockingIOError:
                yield Wait.W
        frames: list[Frame] = []
        while not any(frame.kind in ends for frame in frames):
            yield Wait.R
            with suppress(BlockingIOError):
                if not (block := os.read(socket, _BLOCK)):
                    raise OperationalError("the server closed the connection unexpectedly")
                heard, self._rest = split_frames(self._rest + block)
                for frame in heard:
                    self._hear(frame, answer)
                frames += heard
        if deliver:
            self._deliver(_joined(frames))

    def _hear(self, frame: Frame, answer: _Answer) -> None:
        """Take in a frame of the server."""
        if frame.kind == b"Z":
            self._status = _STATUS[frame.body[:1]]
        elif frame.kind == b"C":
            answer.statusmessage = _text(frame.body)
        elif frame.kind == b"E":
            fields = dict(_fields(frame.body))
            self._error = answer.statusmessage = f"error {fields.get('C')}: {fields.get('M')}"
        elif frame.kind == b"N":
            notice = SimpleNamespace(message_primary=dict(_fields(frame.body)).get("M"))
            for handler in self._gate._notice_handlers:
                handler(notice)  # type: ignore[arg-type]


def _fields(body: bytes) -> Iterator[tuple[str, str]]:
    for field in body.split(b"\0"):
        if field:
            yield chr(field[0]), field[1:].decode(errors="replace")


def _text(body: bytes) -> str:
    return body.partition(b"\0")[0].decode(errors="replace")


def _frame(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def _query(text: str) -> bytes:
    return _frame(b"Q", text.encode() + b"\0")


def _joined(frames: list[Frame]) -> bytes:
    return b"".join(frame.data for frame in frames)
