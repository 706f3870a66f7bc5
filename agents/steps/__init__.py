"""What a worker does with an execution, one file a step type."""
