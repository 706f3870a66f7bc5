"""The parts of `decide`: each reads a view of a run and yields what can be decided about its part."""
