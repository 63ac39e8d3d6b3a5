"""Pure rules of documents and notices."""
