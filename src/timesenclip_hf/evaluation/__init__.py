"""Evaluate checkpoints: zero-shot classification, and the figures that honest reading needs beside it."""
