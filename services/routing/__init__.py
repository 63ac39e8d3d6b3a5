"""Routing: the registers, the case and who leads it."""
