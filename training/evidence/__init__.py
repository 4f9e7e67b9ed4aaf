"""Re-measures what each part claims: `make evidence-<part>` prints one JSON line a claim and keeps them as JSON."""
