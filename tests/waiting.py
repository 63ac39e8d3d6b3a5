"""Tests wait as the demonstration does."""

from deploy.waiting import until

__all__ = ["until"]
