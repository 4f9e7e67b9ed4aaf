"""Start the command `timesenclip`.

It stands beside the package, because importing anything of `timesenclip_hf` registers with transformers first, which
takes seconds: where this module was imported before, the package leaves that to the commands that need it, so that
help, completion and wrong options are answered at once.
"""


def run() -> None:
    """Run the command with the arguments of this process."""
    from timesenclip_hf.cli import app

    app()
