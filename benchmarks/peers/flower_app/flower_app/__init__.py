"""Rounds in which nothing is trained, as an app of Flower's: what is timed is how long the framework takes."""
