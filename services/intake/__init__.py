"""Intake: the matter as the petitioner tells it."""
