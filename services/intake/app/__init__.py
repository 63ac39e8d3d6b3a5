"""Use cases of intake; transactions begin and end here."""
