"""A Rails schema.rb as SQL: `read_schema_rb` gives the statements that Rails would run, each with its line."""

from inboxbench.schema.rails.definitions import read_schema_rb

__all__ = ["read_schema_rb"]
