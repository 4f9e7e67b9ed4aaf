"""Ask in one line for what is missing from the base install."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def needs_extra(name: str) -> Iterator[None]:
    """Wrap imports that only the optional extra `name` installs.

    Raises:
        ImportError: a module is missing; the sentence says what to install.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("timesenclip_hf"):
            raise
        raise ImportError(
            f'This needs {error.name}, which is not installed: run pip install "timesenclip_hf[{name}]".'
        ) from None
