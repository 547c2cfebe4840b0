// The list of jobs on the page, and what is said aloud about them.
import { Card } from './card.js';
import { byId } from './dom.js';
import { t } from './i18n.js';
import { isEnded } from './jobs.js';
import { textOf } from './results.js';

const spokenWords = 80;
const tick = 1000;

/** View keeps the list of cards equal to a Jobs. */
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
      for (const card of this.#cards.values()) card.mark();
    });
    jobs.addEventListener('change', (event) => this.#change(event.detail));
    jobs.addEventListener('remove', (event) => this.#remove(event.detail.id));
    jobs.addEventListener('list', () => {
      this.#loaded = true;
      this.#frame();
    });
    setInterval(() => {
      for (const card of this.#cards.values()) card.tick();
    }, tick);
  }

  /** rebuild writes everything in the language in use. */
  rebuild() {
    for (const card of this.#cards.values()) card.rebuild();
    this.#frame();
  }

  #change({ job, before }) {
    const card = this.#cards.get(job.id);
    if (card) card.update(job);
    else this.#add(job);
    if (before && !isEnded(before) && isEnded(job)) this.#announce(job);
    this.#frame();
  }

  #add(job) {
    const card = new Card(job, this.#actions, this.#gallery);
    this.#cards.set(job.id, card);
    const order = this.#jobs.all();
    const below = order.slice(order.findIndex(({ id }) => id === job.id) + 1).find(({ id }) => this.#cards.has(id));
    this.#list.insertBefore(card.node, below ? this.#cards.get(below.id).node : null);
  }

  #remove(id) {
    const card = this.#cards.get(id);
    if (!card) return;
    // Whoever pressed the button shall not be thrown to the top of the page.
    if (card.node.contains(document.activeElement)) byId('work-title').focus();
    this.#cards.delete(id);
    card.node.remove();
    this.#frame();
  }

  #announce(job) {
    const words = [...textOf(job)].slice(0, spokenWords).join('');
    byId('status').textContent = t(`announce.${job.status}`, { kind: t(`kind.${job.kind}`), text: words });
  }

  #frame() {
    byId('empty').hidden = this.#cards.size > 0 || !this.#loaded;
    byId('more').hidden = !this.#jobs.hasMore;
    const active = this.#jobs.active().length;
    document.title = active > 0 ? `(${active}) Text2Image Audio` : 'Text2Image Audio';
  }
}
