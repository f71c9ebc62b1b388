"""The strategies under load, driven by Python workers or by pgbench, and judged by the history in the rows."""
