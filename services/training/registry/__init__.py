"""Versions of models: kept with what they were learned from, live one at a time, handed to the service that answers with them."""
