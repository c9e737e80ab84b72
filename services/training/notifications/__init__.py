"""What users should know and did not ask for."""
