"""axe-core looks a page over for what keeps people out: names, roles, headings, contrast, what keys cannot reach.

Everything it finds in what we draw is mended there. What only Streamlit could mend is spared, by rule and element.
"""

from importlib.resources import files

from playwright.sync_api import Page

SPARED = {
    # Streamlit's menu wraps the entries of a section in a <div> between the list and its items; readers still say
    # "list" and "link", and nothing we draw can put them right.
    "list": '[data-testid="stSidebarNavItems"]',
    "listitem": '[data-testid="stSidebarNavItems"] li',
    # Its uploader is marked as decoration and has a label all the same; the button within it has a name of its own.
    "presentation-role-conflict": '[data-testid="stFileUploaderDropzone"]',
}
FAULTS = """async spared => {
  const found = await axe.run(document, { resultTypes: ["violations"], elementRef: true, preload: false });
  return found.violations.flatMap(({ id, impact, nodes }) => nodes
    .filter(node => !(id in spared && node.element.matches(spared[id])))
    .map(node => `${id} (${impact}): ${node.html.slice(0, 200)}`));
}"""


def faults(page: Page) -> list[str]:
    """What is wrong with a page as it stands."""
    if not page.evaluate("'axe' in window"):
        page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8"))
    found: list[str] = page.evaluate(FAULTS, SPARED)
    return found
