"""Changes of regime in a series by topological data analysis: delay embedding, persistent homology, distances between diagrams.

Arrays in, arrays out; numpy and ripser, no network.
"""
