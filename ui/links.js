// Links inside Tieout are real links (they can be copied, or opened in a tab). A plain click need not load the page
// anew: it moves the address the way the browser's own back and forward do, which Streamlit listens for.
(() => {
  if (window.tieoutLinks) return;
  window.tieoutLinks = true;
  document.addEventListener("click", (event) => {
    const link = event.target.closest && event.target.closest("a[data-inside]");
    if (!link || event.defaultPrevented || event.button) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    history.pushState({}, "", link.href);
    window.dispatchEvent(new PopStateEvent("popstate"));
  });
  // The menu's entry of the page one is on: Streamlit stays as it is, but whoever clicks it wants the page's start.
  document.addEventListener("click", (event) => {
    const entry = event.target.closest && event.target.closest('[data-testid="stSidebarNavLink"]');
    if (!entry || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    if (entry.pathname !== location.pathname || !location.search) return;
    history.pushState({}, "", entry.pathname);
    window.dispatchEvent(new PopStateEvent("popstate"));
  }, true);
  // Drawers hang outside the part of the page that knows the theme: the whole page says what that part says. A theme
  // changes with the system, or by a click in Streamlit's own menu, and no script of a page runs then: that part's
  // class does change.
  const app = document.querySelector('[data-testid="stApp"]');
  const follow = () => { document.documentElement.style.colorScheme = getComputedStyle(app).colorScheme; };
  if (app) new MutationObserver(follow).observe(app, { attributes: true, attributeFilter: ["class"] });
})();
