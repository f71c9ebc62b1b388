"""Choosing an index set by measuring: candidates from queries and plans, each really built on a copy and weighed."""
