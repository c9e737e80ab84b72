"""Plumbing that every service shares and that knows no domain word."""
