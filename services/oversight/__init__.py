"""Oversight: clocks, calendar, ledger, board."""
