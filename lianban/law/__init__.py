"""The law as pure code and data: work calendar, clocks, rulebook, lifecycle tables, identifiers, superiors.

Nothing here reads a database, a network or the time of day: days, instants and ids are arguments.
"""
