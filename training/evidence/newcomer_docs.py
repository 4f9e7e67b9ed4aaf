"""Measure every claim about README and the site of `docs/`."""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from hub.docs_links import dead_links, elsewhere, loaded_from_elsewhere, read_pages
from hub.docs_site import build_site
from tests.support.public_names import not_shown, public_names
from tests.support.readme import README, offline_steps, run_offline
from training.evidence.claims import Ledger


def readme(ledger: Ledger) -> None:
    """Weigh README, and run all in it that can run without a network."""
    ledger.add("README, bytes", README.stat().st_size, "<=", 10_000)
    with tempfile.TemporaryDirectory() as folder:
        failed = run_offline(Path(folder))
    count = len(offline_steps())
    ledger.add(
        "commands and scripts of README that fail as printed, offline",
        len(failed),
        "==",
        0,
        note="; ".join(failed) or f"{count} were run; those that need a network or set up the checkout were not",
    )


def docs(ledger: Ledger) -> None:
    """Build the site strictly; count dead links, what it loads from elsewhere, and names that it lacks."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            site = build_site(Path(folder))
        except ValueError as error:
            ledger.add("the site of docs/ is built strictly", False, "==", True, note=str(error))
            return
        ledger.add("the site of docs/ is built strictly", True, "==", True)
        pages = read_pages(site)
        links = sum(len(page.links) for page in pages.values())
        note = f"{links} links on {len(pages)} pages; the {len(elsewhere(site))} addresses elsewhere were not tried"
        ledger.add("dead links within the site of docs/", len([*dead_links(site)]), "==", 0, note=note)
        ledger.add("files that the site of docs/ loads from elsewhere", len(loaded_from_elsewhere(site)), "==", 0)
        lacking, count = not_shown(site), len(public_names())
        ledger.add(
            "public names that no API page shows",
            len(lacking),
            "==",
            0,
            note=", ".join(lacking) or f"{count} names: of `__all__`, of labelling, and imported on a page",
        )


PARTS: Mapping[str, Callable[[Ledger], None]] = {"readme": readme, "docs": docs}
