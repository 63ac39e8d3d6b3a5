"""Pure rules of oversight: the matter as oversight sees it, the ledger's entries."""
