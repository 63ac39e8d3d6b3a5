"""Notification's SQL and nothing else."""
