"""The words that services exchange: envelope, events, code lists. Additive only."""
