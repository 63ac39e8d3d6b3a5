"""Doors: the exchange API, the agency desk, the integration console and the internal endpoint."""
