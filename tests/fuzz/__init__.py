"""Fuzz every reader: damage files that read well, and see that each is read right or refused in one sentence."""
