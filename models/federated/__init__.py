"""The part of the categorizer that devices train, how they train it, and what that costs in privacy."""
