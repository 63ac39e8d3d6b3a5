"""How Lianban is run: the private stack of a clone, and the demo city's own programs."""
