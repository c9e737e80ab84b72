"""`scale`, the command line for people."""
