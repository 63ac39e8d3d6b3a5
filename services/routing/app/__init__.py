"""Use cases of routing: transactions begin and end here."""
