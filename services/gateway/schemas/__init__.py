"""The shapes of REST: what comes in is checked against them, what goes out is described by them."""
