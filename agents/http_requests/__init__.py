"""What an `http` step may reach, and how its answer is read: nothing here opens a connection."""
