"""The text model in a process of its own: how well a text fits each item of the responsibility catalogue."""
