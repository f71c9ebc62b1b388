"""The messenger's rules as plain functions over a connection; the caller owns the transaction."""
