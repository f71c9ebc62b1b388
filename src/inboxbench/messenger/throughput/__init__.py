"""The strategies driven by pgbench, PostgreSQL's own load generator: no interpreter between the client and the server.

script says what a client sends, program runs it, bench races strategies, million counts to a million.
"""
