"""What SCALE is made of and may be made of: licences, the bill of materials, advisories, and secrets that must not be in the tree."""
