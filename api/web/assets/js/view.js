// The list of jobs, and the announcements for screen readers.
import { Card } from './card.js';
import { byId } from './dom.js';
import { t } from './i18n.js';
import { isEnded } from './jobs.js';
import { textOf } from './results.js';

const announceLength = 80;
const tickInterval = 1000;

/** View keeps the list of cards in sync with a Jobs. */
export class View {
  #jobs;
  #actions;
  #gallery;
  #cards = new Map();
  #list = byId('jobs');
  #loaded = false;

  constructor(jobs, actions, gallery) {
    this.#jobs = jobs;
    this.#actions = actions;
    this.#gallery = gallery;
    gallery.addEventListener('change', () => {
      for (const card of this.#cards.values()) card.updateSaved();
    });
    jobs.addEventListener('change', (event) => this.#change(event.detail));
    jobs.addEventListener('remove', (event) => this.#remove(event.detail.id));
    jobs.addEventListener('list', () => {
      this.#loaded = true;
      this.#updateFrame();
    });
    setInterval(() => {
      for (const card of this.#cards.values()) card.tick();
    }, tickInterval);
  }

  /** rebuild renders everything in the current language. */
  rebuild() {
    for (const card of this.#cards.values()) card.rebuild();
    this.#updateFrame();
  }

  #change({ job, before }) {
    const card = this.#cards.get(job.id);
    if (card) card.update(job);
    else this.#add(job);
    if (before && !isEnded(before) && isEnded(job)) this.#announce(job);
    this.#updateFrame();
  }

  #add(job) {
    const card = new Card(job, this.#actions, this.#gallery);
    this.#cards.set(job.id, card);
    const order = this.#jobs.all();
    const next = order.slice(order.findIndex(({ id }) => id === job.id) + 1).find(({ id }) => this.#cards.has(id));
    this.#list.insertBefore(card.node, next ? this.#cards.get(next.id).node : null);
  }

  #remove(id) {
    const card = this.#cards.get(id);
    if (!card) return;
    // The focused button is gone; without this the focus would move to the top of the page.
    if (card.node.contains(document.activeElement)) byId('work-title').focus();
    this.#cards.delete(id);
    card.node.remove();
    this.#updateFrame();
  }

  #announce(job) {
    const text = [...textOf(job)].slice(0, announceLength).join('');
    byId('status').textContent = t(`announce.${job.status}`, { kind: t(`kind.${job.kind}`), text });
  }

  #updateFrame() {
    byId('empty').hidden = this.#cards.size > 0 || !this.#loaded;
    byId('more').hidden = !this.#jobs.hasMore;
    const active = this.#jobs.active().length;
    document.title = active > 0 ? `(${active}) Text2Image Audio` : 'Text2Image Audio';
  }
}
