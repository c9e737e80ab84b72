"""Work in the background: making a forecast, looking through a ledger."""
