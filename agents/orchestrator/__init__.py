"""The orchestrator: reads the log, decides for the runs of its partitions, dispatches."""
