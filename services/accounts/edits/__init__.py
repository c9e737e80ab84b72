"""Changes of many transactions at once, each of which can be taken back."""
