"""Look for what keeps people out of a page, by axe-core: a development step, fetched by npm, kept nowhere.

`npm install --prefix runs/axe axe-core@4.14.1` puts it where it is looked for; git ignores that folder.
"""

import json
from pathlib import Path

from playwright.sync_api import Page

from tests.support.space_process import ROOT

AXE = ROOT / "runs" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
FETCH = "axe-core is missing: npm install --prefix runs/axe axe-core@4.14.1"
SERIOUS = ("serious", "critical")


def serious_violations(page: Page, source: Path = AXE) -> list[str]:
    """List rules that a page breaks, of serious or critical impact, each with the first element that does.

    Raises:
        FileNotFoundError: axe-core is not there.
    """
    if not source.is_file():
        raise FileNotFoundError(FETCH)
    if not page.evaluate("'axe' in window"):
        page.evaluate(source.read_text(encoding="utf-8"))
    found = json.loads(page.evaluate("axe.run().then(result => JSON.stringify(result.violations))"))
    return [f"{each['id']}: {each['nodes'][0]['html'][:160]}" for each in found if each["impact"] in SERIOUS]
