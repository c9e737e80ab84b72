"""Figures about a user's ledger."""
