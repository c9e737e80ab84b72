"""A user's own rules: what is done to transactions that a filter finds, as they come in and, when asked, to those of the past."""
