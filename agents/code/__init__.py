"""What `codebase_query` finds in the files of a project."""
