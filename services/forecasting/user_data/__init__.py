"""What this service holds about a user: handed over, brought back, erased."""
