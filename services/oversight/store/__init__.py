"""Oversight's SQL and nothing else."""
