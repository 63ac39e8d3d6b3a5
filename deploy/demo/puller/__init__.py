"""The reference client for departments that fetch: polls the exchange, answers, never loses its place.

It uses the published exchange API alone and imports nothing of the platform.
"""
