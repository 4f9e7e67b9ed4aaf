"""The Space: the page of the package, and nothing else."""

from timesenclip_hf.app.app import launch

if __name__ == "__main__":
    launch()
