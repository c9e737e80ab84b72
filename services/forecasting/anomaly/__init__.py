"""What is odd in a ledger: single payments, and changes of regime."""
