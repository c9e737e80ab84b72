"""What the service holds about a user."""
