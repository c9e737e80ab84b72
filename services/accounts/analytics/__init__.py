"""Figures about the user's ledger."""
