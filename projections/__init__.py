"""Folds over the log. The fold decides what counts; everything here is pure and total."""
