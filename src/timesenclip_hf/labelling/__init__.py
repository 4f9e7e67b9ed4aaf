"""Fit label sets to examples, keep them in files, and say where the next example would help most."""
