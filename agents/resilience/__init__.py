"""Policies of an attempt, one a file; pure."""
