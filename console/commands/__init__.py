"""One command a file; heavy libraries load only when their command runs."""
