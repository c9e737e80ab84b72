"""What the world knows of shop names: brands and merchant category codes, each with its category of the taxonomy. Standard library only."""
