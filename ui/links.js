// Links inside Tieout are real links (they can be copied, or opened in a tab). A plain click need not load the page
// anew: it moves the address the way the browser's own back and forward do, which Streamlit listens for.
(() => {
  if (window.tieoutLinks) return;
  window.tieoutLinks = true;
  const DRAWER = '[role="dialog"]', BACK_MS = 100, BACK_TRIES = 50, COPIED_MS = 3000;
  let opener = "";
  const go = (address) => {
    history.pushState({}, "", address);
    window.dispatchEvent(new PopStateEvent("popstate"));
  };
  // On a phone the open menu lies over the page: as with Streamlit's own entries, it is put away for what was chosen.
  const putAway = (chosen) => {
    if (!chosen.closest('[data-testid="stSidebar"]') || !matchMedia("(max-width: 768px)").matches) return;
    document.querySelector('[data-testid="stSidebarCollapseButton"] button')?.click();
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest && event.target.closest("a[data-inside]");
    if (!link || event.defaultPrevented || event.button) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    if (!link.closest(DRAWER)) opener = link.href;
    go(link.href);
    putAway(link);
  });
  // A drawer gives the focus back to what opened it. A link may be drawn anew while it is open and once more after it
  // closes: whoever came by keys would find themselves at the top of the page.
  // Whoever acts meanwhile is where they want to be.
  let acted = false;
  for (const act of ["pointerdown", "keydown"]) document.addEventListener(act, () => { acted = true; }, true);
  const back = (tries) => {
    if (!tries || acted || document.querySelector(DRAWER)) return;
    const same = (link) => link.href === opener;
    if (document.activeElement === document.body) {
      [...document.querySelectorAll("a[data-inside]")].find(same)?.focus({ preventScroll: true });
    }
    setTimeout(back, BACK_MS, tries - 1);
  };
  let open = false;
  new MutationObserver(() => {
    const was = open;
    open = document.querySelector(DRAWER) !== null;
    if (was && !open) { acted = false; back(BACK_TRIES); }
  }).observe(document.body, { childList: true, subtree: true });
  // What is filtered stands in the address: a copy of it is a saved view, and can be sent.
  document.addEventListener("click", async (event) => {
    const copier = event.target.closest && event.target.closest("[data-copy]");
    if (!copier) return;
    const words = copier.querySelector("[data-words]"), said = words.textContent;
    const copied = await navigator.clipboard?.writeText(location.href).then(() => true, () => false);
    // Without TLS there is no clipboard for scripts.
    words.textContent = copied ? "Copied" : "Copy it from the address bar";
    setTimeout(() => { words.textContent = said; }, COPIED_MS);
  });
  // The search box is a real form; as with links, what it asks for need not be loaded anew.
  document.addEventListener("submit", (event) => {
    const form = event.target.closest && event.target.closest("form[data-inside]");
    if (!form) return;
    event.preventDefault();
    const asked = new URLSearchParams(new FormData(form));
    if (!(asked.get("q") || "").trim()) return;
    go(`${form.getAttribute("action")}?${asked}`);
    putAway(form);
  });
  // "/" as well as Ctrl+K lead to the box from anywhere; where the menu is closed, to the page that has one of its own.
  const typing = (element) => element && (element.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName));
  document.addEventListener("keydown", (event) => {
    const slash = event.key === "/" && !event.metaKey && !event.ctrlKey && !event.altKey && !typing(event.target);
    const ctrl = (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey && event.key.toLowerCase() === "k";
    const box = document.querySelector("form[data-inside] input[name=q]");
    if (!(slash || ctrl) || !box) return;
    event.preventDefault();
    event.stopPropagation();
    const place = box.getBoundingClientRect();
    if (place.width && place.right > 0) { box.focus(); box.select(); } else { go(box.form.getAttribute("action")); }
  }, true);
  // The menu's entry of the page one is on: Streamlit would ask for the page by the address it still knows, but whoever
  // clicks it wants the page's start. Two questions would race; Streamlit does not see this click.
  document.addEventListener("click", (event) => {
    const entry = event.target.closest && event.target.closest('[data-testid="stSidebarNavLink"]');
    if (!entry || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    if (entry.pathname !== location.pathname || !location.search) return;
    event.preventDefault();
    event.stopPropagation();
    go(entry.pathname);
    putAway(entry);
  }, true);
  // What makes the desk installable stands in the page's head, which Streamlit writes: it is put there from here.
  const head = (tag, facts) => {
    document.head.append(Object.assign(document.createElement(tag), facts));
  };
  head("link", { rel: "manifest", href: "BASE/manifest.webmanifest" });
  head("link", { rel: "apple-touch-icon", href: "BASE/app/static/icons/apple-touch-180.png" });
  head("meta", { name: "apple-mobile-web-app-title", content: "Tieout" });
  head("meta", { name: "theme-color", media: "(prefers-color-scheme: light)", content: "#F4F6F5" });
  head("meta", { name: "theme-color", media: "(prefers-color-scheme: dark)", content: "#0C100F" });
  // Drawers hang outside the part of the page that knows the theme: the whole page says what that part says. A theme
  // changes with the system, or by a click in Streamlit's own menu, and no script of a page runs then: that part's
  // class does change.
  const app = document.querySelector('[data-testid="stApp"]');
  const follow = () => { document.documentElement.style.colorScheme = getComputedStyle(app).colorScheme; };
  if (app) new MutationObserver(follow).observe(app, { attributes: true, attributeFilter: ["class"] });
})();
