"""What SCALE is measured against: other people's programs, run as such."""
