"""Whether a derivative that was written by hand is right, and why it may not be."""
