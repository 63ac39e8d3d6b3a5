"""The agency works on our web desk: messages lie there to be read, forms come back as statements."""
