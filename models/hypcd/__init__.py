"""HypCD (hyperbolic category discovery, arXiv 2504.06120) for the text of transactions."""
