"""The reference device of federated learning."""
