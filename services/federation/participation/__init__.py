"""What an enrolled device does in a round."""
