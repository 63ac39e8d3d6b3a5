"""SQL and nothing else; every function takes the transaction that it works in."""
