// The tabs: one form is shown at a time. The chosen one stands in the address, so that it can be linked to and survives
// a reload.

/** Tabs joins a tab list to its panels. */
export class Tabs {
  #tabs;
  #chosen;

  /** chosen is called with the kind whose panel is shown from now on. */
  constructor(list, chosen) {
    this.#chosen = chosen;
    this.#tabs = [...list.querySelectorAll('[role="tab"]')];
    for (const tab of this.#tabs) tab.addEventListener('click', () => this.choose(tab.dataset.kind));
    list.addEventListener('keydown', (event) => this.#move(event));
    addEventListener('hashchange', () => this.#fromAddress());
    this.#fromAddress();
  }

  /** choose shows the panel of a kind. */
  choose(kind) {
    if (!this.#tabs.some((tab) => tab.dataset.kind === kind)) return;
    for (const tab of this.#tabs) {
      const chosen = tab.dataset.kind === kind;
      tab.setAttribute('aria-selected', String(chosen));
      tab.tabIndex = chosen ? 0 : -1;
      document.getElementById(tab.getAttribute('aria-controls')).hidden = !chosen;
    }
    this.#chosen(kind);
    if (location.hash !== `#${kind}`) history.replaceState(null, '', `#${kind}`);
  }

  #fromAddress() {
    const kind = location.hash.slice(1);
    if (kind) this.choose(kind);
  }

  #move(event) {
    const steps = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity };
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const now = this.#tabs.findIndex((tab) => tab.getAttribute('aria-selected') === 'true');
    const last = this.#tabs.length - 1;
    const next = Number.isFinite(step) ? (now + step + this.#tabs.length) % this.#tabs.length : step < 0 ? 0 : last;
    this.choose(this.#tabs[next].dataset.kind);
    this.#tabs[next].focus();
  }
}
