"""Rehearse migrations on a disposable copy, under live traffic, and say who would be blocked."""
