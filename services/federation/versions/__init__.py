"""Versions of the model that devices train together."""
