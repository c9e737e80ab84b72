"""The ledger in columns, for services that compute on all of it."""
