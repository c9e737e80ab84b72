"""Budgets: what a user means to spend on a category in a period, and what became of it."""
