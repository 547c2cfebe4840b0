// The addresses of the page. Every view has one; back and forward move between them.

const fixed = {
  '/': 'studio', '/gallery': 'gallery', '/voice': 'voice', '/account': 'account', '/help': 'help', '/privacy': 'privacy', '/terms': 'terms',
};
// The addresses of earlier versions.
const oldHashes = { '#audio': '/voice', '#image': '/', '#prompt': '/', '#translation': '/', '#operator': '/operator/feedback' };
const sheets = ['studio', 'gallery', 'voice'];
const operatorViews = ['feedback', 'dead-letters', 'queues', 'pauses'];

/** parse returns the route at a URL: {view, id, index, query}; the view is "missing" when there is none. */
export function parse(url) {
  const query = url.searchParams;
  const path = url.pathname.length > 1 ? url.pathname.replace(/\/$/, '') : url.pathname;
  if (path in fixed) return { view: fixed[path], query };
  const work = /^\/gallery\/([^/]+)$/.exec(path);
  if (work) return { view: 'work', id: decodeURIComponent(work[1]), index: Math.max(0, (Number(query.get('i')) || 1) - 1), query };
  const operator = /^\/operator(?:\/([^/]+))?$/.exec(path);
  if (operator && operatorViews.includes(operator[1] ?? 'feedback')) return { view: 'operator', part: operator[1] ?? 'feedback', query };
  return { view: 'missing', query };
}

/** workPath returns the address of a result. */
export const workPath = (id, index = 0) => `/gallery/${encodeURIComponent(id)}${index > 0 ? `?i=${index + 1}` : ''}`;

/** Router dispatches "route" with {route, behind}: the route, and the sheet that lies behind the dialog of a work. */
export class Router extends EventTarget {
  route = { view: 'studio', query: new URLSearchParams() };
  behind = { view: 'gallery', query: new URLSearchParams() };

  /** start shows the view of the current address and follows the links of the page. */
  start() {
    if (location.hash in oldHashes) history.replaceState(null, '', oldHashes[location.hash]);
    addEventListener('popstate', () => this.#show());
    document.addEventListener('click', (event) => this.#follow(event));
    this.#show();
  }

  /** go shows the view at a path. */
  go(path, { replace = false } = {}) {
    if (path === location.pathname + location.search) replace = true;
    // Only an entry that this page has made can be gone back from.
    const state = { inside: replace ? history.state?.inside ?? false : true };
    history[replace ? 'replaceState' : 'pushState'](state, '', path);
    this.#show();
  }

  /** leave closes the dialog of a work: back to the sheet behind it. */
  leave() {
    if (this.route.view !== 'work') return;
    if (history.state?.inside) history.back();
    else this.go('/gallery', { replace: true });
  }

  #follow(event) {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.target.closest('a[href]');
    if (!link || link.target || link.hasAttribute('download')) return;
    const url = new URL(link.href);
    if (url.origin !== location.origin || url.hash !== '' || parse(url).view === 'missing') return;
    event.preventDefault();
    this.go(url.pathname + url.search);
  }

  #show() {
    const before = this.route;
    this.route = parse(new URL(location.href));
    if (sheets.includes(this.route.view)) this.behind = this.route;
    this.dispatchEvent(new CustomEvent('route', { detail: { route: this.route, behind: this.behind, before } }));
  }
}
