"""What the package does, shown on simulated pixels: `python -m timesenclip_hf.app`."""
