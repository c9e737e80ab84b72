"""Transactions that users type in."""
