"""Soak: steady load for a long time; what grows, what gets slower, and whether the log is sound afterwards.

`make soak MINUTES=30`; docs/storms.md tells how to read what it prints.
"""
