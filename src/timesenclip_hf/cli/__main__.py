"""Run the command as `python -m timesenclip_hf.cli`."""

from . import app

app()
