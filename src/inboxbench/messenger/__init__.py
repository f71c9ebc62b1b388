"""The messenger's rules as plain functions over a connection; the caller owns the transaction.

what is written   posting (A5), with message, clocks and notification behind it
who holds it      assignment (A1), automatic (A2), and handover: the same with its activity line (A3)
how it stands     status, snoozing (C4), muting (A4), each with its line from activity
what is shown     page and page_orm (P2.2), unread (P2.3)
what is refused   refusal; what must always hold: invariants
"""
