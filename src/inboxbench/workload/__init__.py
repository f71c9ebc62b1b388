"""Queries to measure, made from what a server was asked: statistics, logs, and folders of SQL."""
