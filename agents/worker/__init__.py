"""A worker process: lanes of Faust agents, the executions they hold, its heartbeat."""
