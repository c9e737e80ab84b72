"""Whose word a transaction's category is: the user's own, and what others worked out where nobody with more to say has spoken."""
