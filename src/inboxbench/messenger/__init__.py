"""The messenger's rules as plain functions over a connection; the caller owns the transaction.

what is written   posting (A5) of a message: its row, the clocks that it moves, the notice on commit
who holds it      assignment (A1), automatic (A2), and handover: the same with its activity line (A3)
how it stands     lifecycle: status, snoozing (C4), muting (A4), each with its line from activity
what is shown     page (P2.2) with its unread counts (P2.3)
what is refused   the errors of message; what must always hold: schema/invariants.sql
"""
