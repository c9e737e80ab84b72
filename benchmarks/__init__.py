"""What is measured, and how: one command each, each a ratio against a baseline in the same run, printed as one JSON line."""
