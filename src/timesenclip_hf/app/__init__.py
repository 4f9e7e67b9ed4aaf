"""Show what the package does: the page, and on simulated pixels the picture of `python -m timesenclip_hf.app`."""
