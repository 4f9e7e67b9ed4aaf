"""Build `docs/` into a site without dead links: `python -m hub.docs_site`; `make docs` serves it.

zensical and mkdocstrings build it, strictly: a link to no page or heading, and a name of the API page that the package
does not have, end the build. The pages that lie in the root of the repository join those of `docs/`, and the page of
the commands is made from the commands.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import typer
import yaml
from typer.cli import get_docs_for_click

from hub.docs_links import dead_links, loaded_from_elsewhere
from hub.filling import REPOSITORY, ROOT
from timesenclip_hf.cli import app

DOCS = ROOT / "docs"
SITE = ROOT / "build" / "docs"
# Pages in the root of the repository, with their names in the site.
ROOT_PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "architecture.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
    "model_card.md": "model_card.md",
}
# What the theme would load from elsewhere so that search works in pages opened from a folder; ours is the same file.
SHIM, OUR_SHIM = "https://unpkg.com/iframe-worker/shim", "javascripts/iframe-worker.js"
LINK = re.compile(r"(\]\()([^)\s#]+)")
# Pictures of another server, which the site does without.
BADGES = re.compile(r"^.*https://img\.shields\.io/.*\n", re.MULTILINE)
# How a list or table starts.
STARTS = re.compile(r"[-*] |\d+\. |\| ")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# Of zensical itself, around the lines that say what is wrong.
TRACEBACK = re.compile(r"^Traceback .*\n(?:  .*\n)+", re.MULTILINE)
# A name that a docstring mentions, as transformers writes it.
MENTION = re.compile(r"\[<code>([A-Za-z_.]+)</code>\]")


def build_site(folder: Path = SITE) -> Path:
    """Build the site into `folder` from nothing, and return where its pages are.

    Raises:
        ValueError: a link leads nowhere, a heading is not there, a name of the API cannot be found, or a page would
            load from elsewhere.
    """
    shutil.rmtree(folder, ignore_errors=True)
    _stage(folder / "pages")
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    config |= {"docs_dir": "pages", "site_dir": "site"}
    _python_of(config)["paths"] = [str(ROOT / "src")]
    (folder / "mkdocs.yml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--config-file", str(folder / "mkdocs.yml")]
    environment = {**os.environ, "NO_COLOR": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        told = TRACEBACK.sub("", COLOUR.sub("", done.stdout + done.stderr))
        raise ValueError(f"The docs cannot be built:\n{told.strip()}")
    _finish(folder / "site")
    if dead := [*dead_links(folder / "site"), *sorted(loaded_from_elsewhere(folder / "site"))]:
        raise ValueError("The docs have links that lead nowhere, or load from elsewhere:\n" + "\n".join(dead))
    return folder / "site"


def _python_of(config: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of mkdocstrings' handler of Python."""
    (settings,) = (plugin["mkdocstrings"] for plugin in config["plugins"] if "mkdocstrings" in plugin)
    handler: dict[str, Any] = settings["handlers"]["python"]
    return handler


def _stage(pages: Path) -> None:
    """Gather all pages in a folder, with links that hold there."""
    shutil.copytree(DOCS, pages)
    for page in pages.rglob("*.md"):
        _rewrite(page, lambda link: ROOT_PAGES.get(link.removeprefix("../"), link) if link.startswith("../") else link)
    for source, name in ROOT_PAGES.items():
        shutil.copy(ROOT / source, pages / name)
        _rewrite(pages / name, _from_root)
    (pages / "commands.md").write_text(describe_commands(), encoding="utf-8")


def _rewrite(page: Path, renamed: Callable[[str], str]) -> None:
    text = page.read_text(encoding="utf-8")
    text = LINK.sub(lambda match: match[1] + renamed(match[2]), BADGES.sub("", text))
    page.write_text(_spaced(text), encoding="utf-8")


def _spaced(text: str) -> str:
    """Put an empty line before each list and table that follows a line at once, as this Markdown wants it."""
    lines, before, in_code = [], "", False
    for line in text.splitlines():
        kind = STARTS.match(line)
        if kind and before.strip() and not in_code and not before.startswith((kind[0][0], " ")):
            lines.append("")
        lines.append(line)
        in_code ^= line.lstrip().startswith("```")
        before = line
    return "\n".join(lines) + "\n"


def _from_root(link: str) -> str:
    """Return what a link of a page in the root of the repository is in the site."""
    path = re.sub(rf"^{re.escape(REPOSITORY)}/(blob|raw)/main/", "", link)
    return path.removeprefix("docs/") if path.startswith("docs/") else ROOT_PAGES.get(path, link)


def describe_commands() -> str:
    """Write the page of all commands and their options, from the commands themselves."""
    command: Any = typer.main.get_command(app)
    groups = [command, *(each for each in command.commands.values() if hasattr(each, "commands"))]
    told = {
        name: " ".join(each.help.split("\n\n")[0].split()) for group in groups for name, each in group.commands.items()
    }
    context = command.make_context("timesenclip", [], resilient_parsing=True)
    text = get_docs_for_click(obj=command, ctx=context, name="timesenclip", title="Commands")
    return re.sub(
        r"^\* `([\w-]+)`: .*\.\.\.$", lambda match: f"* `{match[1]}`: {told[match[1]]}", text, flags=re.MULTILINE
    )


def _finish(site: Path) -> None:
    """Load nothing from elsewhere, and link the names that docstrings mention."""
    pages = {page: page.read_text(encoding="utf-8") for page in site.rglob("*.html")}
    places = {
        name: f"{page.relative_to(site).as_posix()}#{name}"
        for page, text in pages.items()
        for name in re.findall(r'id="(timesenclip_hf\.[\w.]+)"', text)
    }
    by_last = {name.rsplit(".", 1)[-1]: place for name, place in sorted(places.items(), reverse=True)}
    for page, text in pages.items():
        up = "../" * (len(page.relative_to(site).parts) - 1)
        text = MENTION.sub(partial(_linked, places=by_last, up=up), text)
        page.write_text(text.replace(SHIM, up + OUR_SHIM), encoding="utf-8")


def _linked(mention: re.Match[str], places: dict[str, str], up: str) -> str:
    name = mention[1]
    place = places.get(name.rsplit(".", 1)[-1])
    return f"<code>{name}</code>" if place is None else f'<a href="{up}{place}"><code>{name}</code></a>'


def main() -> None:
    """Build, and say where the first page is."""
    try:
        print(build_site() / "index.html")
    except ValueError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
