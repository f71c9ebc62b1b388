"""The messenger's data: its row source, and what makes its conversations, messages, people and words."""

from inboxbench.messenger.data.row_source import ROW_SOURCE

__all__ = ["ROW_SOURCE"]
