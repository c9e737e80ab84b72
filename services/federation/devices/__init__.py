"""Which devices may take part, and what each has spent of its privacy."""
