"""What a simulation is made of: ledgers, a coordinator, and many devices in a few processes."""
