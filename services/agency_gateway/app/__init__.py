"""Use cases: transactions begin and end here, or are given by the consumer."""
