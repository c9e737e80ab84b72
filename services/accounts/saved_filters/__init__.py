"""Filter expressions that a user keeps by name."""
