"""One folder per protocol: a wire client (bytes, time-outs) apart from a translation (our words, theirs)."""
