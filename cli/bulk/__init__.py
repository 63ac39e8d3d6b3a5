"""Filling a stack with very many matters: a played past gives the moulds, and copies of them are loaded with COPY.

``plan`` says which matters are played, ``moulds`` plays them in databases of their own and takes their rows out,
``patterns`` cuts these at what a copy has of its own (``templates``: texts with gaps), ``casting`` fills the gaps anew
for each copy (``ids``, ``binary``: the bytes that COPY reads), ``loading`` has that done for all copies in processes of
its own, ``writing`` puts them into a database, and ``filling`` puts these together.
"""
