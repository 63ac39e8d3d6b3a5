"""Pure rules of intake: what may be told, numbers and codes, what a petitioner may do when."""
