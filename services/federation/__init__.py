"""The coordinator of federated learning: who takes part, rounds, secure aggregation, the privacy ledger, versions of the model."""
