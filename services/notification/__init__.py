"""Notification: documents, messages to people, proofs of service."""
