"""What workers on several machines share, kept in the one place that all of them reach: the database itself.

Two tables that live as long as the load. They are named after it, so that a worker left over from an earlier load,
into a database of the same name, can do nothing here.

- files: pieces of what a job's folder holds on one machine: what the plan left for all blocks (shared), then what
  blocks leave for those of later phases;
- blocks: a row for every block that is loaded. It is written in the transaction of the block's COPY, and its key
  is unique: of two workers with the same block the second one waits for the first, then finds the row, or, when
  the first was rolled back, does the block itself. So a block is in the table once, whoever was thought to be lost.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import LiteralString

from psycopg import sql

from inboxbench.seed.load.worker import Connection
from inboxbench.seed.row_source import Done, Part, Task

# One piece is in memory at a time, of however large a file.
_PIECE = 1 << 20
# A worker that has been loading one block for so long has stopped, or is cut off from the server.
_PATIENCE = "60s"


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of the file `name` from `start`."""

    name: str
    start: int
    data: bytes


def pieces_of(folder: Path) -> Iterator[Piece]:
    """Every file of `folder`, in pieces; not what lies in folders below."""
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        with path.open("rb") as file:
            while data := file.read(_PIECE):
                yield Piece(path.name, file.tell() - len(data), data)


class BlockRegistry:
    """The two tables of the load `token`, over connections in autocommit mode."""

    def __init__(self, token: str) -> None:
        self.session = f"inboxbench {token}"
        self._blocks = sql.Identifier(f"inboxbench_{token}_blocks")
        self._files = sql.Identifier(f"inboxbench_{token}_files")

    def _sql(self, text: LiteralString) -> sql.Composed:
        return sql.SQL(text).format(blocks=self._blocks, files=self._files)

    def create(self, connection: Connection) -> None:
        connection.execute(
            self._sql("CREATE TABLE {blocks} (relation text, number int, done json, PRIMARY KEY (relation, number))")
        )
        connection.execute(
            self._sql("""
                CREATE TABLE {files}
                    (name text, "start" int8, bytes bytea, shared bool, PRIMARY KEY (name, "start"))
            """)
        )
        # Uncompressed, so that the server finds a part of a piece without reading all of it.
        connection.execute(self._sql("ALTER TABLE {files} ALTER bytes SET STORAGE EXTERNAL"))

    def drop(self, connection: Connection) -> None:
        """End the sessions of all workers, lost ones too, then remove the tables: no block can be loaded any more."""
        self._end(connection, f"{self.session}%")
        connection.execute(self._sql("DROP TABLE IF EXISTS {blocks}, {files}"))

    def is_here(self, connection: Connection) -> bool:
        """False in a database of the same name on another server."""
        row = connection.execute("SELECT to_regclass(%s)", (self._files.as_string(connection),)).fetchone()
        return row is not None and row[0] is not None

    # --- files ----------------------------------------------------------------------------------------------------

    def put(self, connection: Connection, pieces: Iterable[Piece], *, shared: bool) -> None:
        """Store pieces of files: shared ones are for every worker, others for the blocks that ask for them."""
        statement = self._sql("COPY {files} FROM STDIN (FORMAT BINARY)")
        with connection.cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types(["text", "int8", "bytea", "bool"])
            for piece in pieces:
                copy.write_row((piece.name, piece.start, piece.data, shared))

    def shared_pieces(self, connection: Connection) -> Iterator[Piece]:
        """Read what is for every worker, one piece at a time."""
        shared = self._sql('COPY (SELECT name, "start", bytes FROM {files} WHERE shared) TO STDOUT (FORMAT BINARY)')
        with connection.cursor() as cursor, cursor.copy(shared) as copy:
            copy.set_types(["text", "int8", "bytea"])
            for name, start, data in copy.rows():
                yield Piece(name, start, data)

    def parts(self, connection: Connection, wanted: Sequence[Part]) -> list[Piece]:
        """Read parts of what blocks left."""
        rows = connection.execute(
            self._sql("""
                SELECT p.name, p.place, substring(f.bytes FROM (p.place - p.start)::int + 1 FOR p.length)
                FROM unnest(%s::text[], %s::int8[], %s::int8[], %s::int4[]) AS p (name, start, place, length)
                JOIN {files} f ON f.name = p.name AND f.start = p.start
            """),
            tuple([getattr(part, key) for part in wanted] for key in ("name", "start", "place", "length")),
            binary=True,
        ).fetchall()
        return [Piece(*row) for row in rows]  # type: ignore[arg-type]

    # --- blocks, inside a transaction -----------------------------------------------------------------------------

    def name_session(self, connection: Connection, task: Task) -> None:
        """Write the block's name into pg_stat_activity, so that whoever holds it can be found."""
        connection.execute("SELECT set_config('application_name', %s, false)", (self._name(task),))

    def _name(self, task: Task) -> str:
        return f"{self.session} {task.table} {task.number}"

    def claim(self, connection: Connection, task: Task) -> bool:
        """Take the block; False when it is loaded. Waits for another worker that has it.

        Raises psycopg.errors.LockNotAvailable when that takes too long: see `evict`.
        """
        connection.execute("SELECT set_config('lock_timeout', %s, true)", (_PATIENCE,))
        claimed = connection.execute(
            self._sql("INSERT INTO {blocks} VALUES (%s, %s) ON CONFLICT DO NOTHING RETURNING number"),
            (task.table, task.number),
        )
        return claimed.fetchone() is not None

    def enter(self, connection: Connection, done: Done) -> None:
        connection.execute(
            self._sql("UPDATE {blocks} SET done = %s WHERE relation = %s AND number = %s"),
            (json.dumps(asdict(done)), done.table, done.number),
        )

    def entered(self, connection: Connection, task: Task) -> Done:
        row = connection.execute(
            self._sql("SELECT done::text FROM {blocks} WHERE relation = %s AND number = %s"), (task.table, task.number)
        ).fetchone()
        assert row is not None
        return Done(**json.loads(str(row[0])))

    def evict(self, connection: Connection, task: Task) -> None:
        """End the session that holds the block of `task` and does not go on; its work is rolled back."""
        self._end(connection, self._name(task))

    def _end(self, connection: Connection, pattern: str) -> None:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() "
            "AND application_name LIKE %s AND pid <> pg_backend_pid()",
            (pattern,),
        )
