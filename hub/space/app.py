"""Serve the page of the package as a Space."""

from timesenclip_hf.app.serving import launch

if __name__ == "__main__":
    launch()
