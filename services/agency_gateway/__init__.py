"""Agency gateway: the exchange with each department's own system."""
