"""The ledger: accounts, transactions, categories and the user's profile."""
