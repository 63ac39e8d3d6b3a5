"""Use cases of oversight: one transaction each."""
