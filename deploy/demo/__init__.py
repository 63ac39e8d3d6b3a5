"""Programs of the demo city that Lianban talks to but that are no part of it: they import nothing of it."""
