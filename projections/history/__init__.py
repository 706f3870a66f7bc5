"""The history checker: what must hold of every log, however it came about."""
