"""What operators see of a process: metrics, traces, and an interface for listeners of their own."""
