"""Categories that nobody named: found among a user's payments, offered, taken up or put aside."""
