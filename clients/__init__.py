"""Who talks to SCALE from outside."""
