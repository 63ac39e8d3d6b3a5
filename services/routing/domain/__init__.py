"""Pure rules of routing: no I/O; time and ids are arguments."""
