"""Pure rules of the exchange: no I/O; time, ids and chance are arguments."""
