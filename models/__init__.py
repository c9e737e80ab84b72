"""The networks: arrays in, arrays out. No service, no contract, no database."""
