// The tabs: one form is shown at a time. The selected one is in the URL fragment, so that it can be linked to and survives
// a reload.

/** Tabs connects a tab list to its panels. */
export class Tabs {
  #tabs;
  #onChoose;

  /** onChoose is called with the kind whose panel is shown. */
  constructor(list, onChoose) {
    this.#onChoose = onChoose;
    this.#tabs = [...list.querySelectorAll('[role="tab"]')];
    for (const tab of this.#tabs) tab.addEventListener('click', () => this.choose(tab.dataset.kind));
    list.addEventListener('keydown', (event) => this.#move(event));
    addEventListener('hashchange', () => this.#openFromHash());
    this.#openFromHash();
  }

  /** choose shows the panel of a kind. */
  choose(kind) {
    if (!this.#tabs.some((tab) => tab.dataset.kind === kind)) return;
    for (const tab of this.#tabs) {
      const selected = tab.dataset.kind === kind;
      tab.setAttribute('aria-selected', String(selected));
      tab.tabIndex = selected ? 0 : -1;
      document.getElementById(tab.getAttribute('aria-controls')).hidden = !selected;
    }
    this.#onChoose(kind);
    if (location.hash !== `#${kind}`) history.replaceState(null, '', `#${kind}`);
  }

  #openFromHash() {
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
