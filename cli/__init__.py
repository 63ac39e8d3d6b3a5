"""The operator's command: the only code that may know all five services."""
