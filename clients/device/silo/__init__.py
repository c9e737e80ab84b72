"""An organisation that trains on a server of its own, and joins as a SuperNode of Flower's (docs/federation-silos.md)."""
