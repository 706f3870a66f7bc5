"""What the operations of `file_ops` do to files."""
