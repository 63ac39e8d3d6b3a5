"""Pages and REST resources of routing."""
