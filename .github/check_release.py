"""Refuse a release whose tag, address or files do not fit: `python .github/check_release.py dist`."""

import os
import re
import sys
import tomllib
from pathlib import Path


def find_faults(folder: Path, tag: str, repository: str, root: Path) -> list[str]:
    """Say in one sentence each what keeps a release back.

    Args:
        folder: with the built wheel and sdist.
        tag: that is released, "v" and the version.
        repository: address that the release runs in.
        root: of the checkout.
    """
    code = (root / "src" / "timesenclip_hf" / "__init__.py").read_text(encoding="utf-8")
    version = re.search(r'^__version__ = "(.+)"$', code, re.MULTILINE)[1]
    urls = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]
    wanted = {f"timesenclip_hf-{version}-py3-none-any.whl", f"timesenclip_hf-{version}.tar.gz"}
    built = {file.name for file in folder.iterdir()}
    faults = []
    if tag != f"v{version}":
        faults.append(f"The tag is {tag}, but the package is {version}: tag v{version}, or mend __version__.")
    if urls["Repository"] != repository:
        faults.append(f"pyproject.toml names {urls['Repository']}, but this is {repository}: mend project.urls.")
    if built != wanted:
        faults.append(f"{folder} holds {sorted(built)}, where {sorted(wanted)} belong: build into an empty folder.")
    if f"## [{version}]" not in (root / "CHANGELOG.md").read_text(encoding="utf-8"):
        faults.append(f"CHANGELOG.md has no section [{version}]: say what is new.")
    return faults


if __name__ == "__main__":
    found = find_faults(Path(sys.argv[1]), os.environ["TAG"], os.environ["REPOSITORY"], Path(__file__).parents[1])
    sys.exit("\n".join(found) or None)
