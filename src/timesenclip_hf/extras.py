"""Ask in one line for what is missing from the base install."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PACKAGE = "timesenclip_hf"


@contextmanager
def needs_extra(name: str) -> Iterator[None]:
    """Wrap imports that only the optional extra `name` installs.

    Raises:
        ImportError: a module is missing; the sentence says what to install.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith(PACKAGE):
            raise
        raise ImportError(f"This needs {error.name}, which is not installed: run {command_to_install(name)}.") from None


def command_to_install(extra: str) -> str:
    """Return the command that adds an extra to this very installation.

    A checkout, a wheel, a repository or an index may be what the package came from; its installer kept which (PEP
    610). So nobody is sent to an index that does not have the package.
    """
    origin = _read_origin()
    url, named = origin.get("url", ""), f"{PACKAGE}[{extra}]"
    if "vcs_info" in origin:
        return f'pip install "{named} @ {origin["vcs_info"]["vcs"]}+{url}@{origin["vcs_info"]["commit_id"]}"'
    path = _local_path(url)
    if path is None or not path.exists():  # conda leaves the folder that it was built in
        return f'pip install "{named}"'
    if path.is_file():
        return f'pip install "{named} @ {url}"'
    option = "--editable " if origin.get("dir_info", {}).get("editable") else ""
    return f'pip install {option}"{path}[{extra}]"'


def _read_origin() -> dict[str, Any]:
    """Return where the package was installed from, as PEP 610 keeps it; empty where it came from an index."""
    # Not at the head: the command's first answers do without.
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        text = distribution(PACKAGE).read_text("direct_url.json")
    except PackageNotFoundError:
        return {}
    origin: dict[str, Any] = json.loads(text) if text else {}
    return origin


def _local_path(url: str) -> Path | None:
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    parts = urlsplit(url)
    return Path(url2pathname(parts.path)) if parts.scheme == "file" else None
