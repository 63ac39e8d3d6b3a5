"""The department polls our feed, acknowledges and posts back; nothing of it is particular to one department."""
