"""Forecasts, and what is odd in a ledger."""
