// The operator's view of all feedback, at /operator/feedback.
import { allFeedback, deleteFeedback, markFeedback, serverNow } from './api.js';
import { byId, el } from './dom.js';
import { formatNumber, onLanguage, t } from './i18n.js';
import { category, feedbackEntry } from './feedback-entry.js';

/** FeedbackPart is the list of all feedback. host has the key and runs actions: {key, attempt}. */
export class FeedbackPart {
  #host;
  #list = byId('operator-list');
  #filter = byId('operator-filter');
  #feedbacks = [];
  #stats = null;
  #cursor = '';
  // Responses to any but the latest request are stale.
  #request = 0;

  constructor(host) {
    this.#host = host;
    this.#filter.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#attempt(() => this.load());
    });
    this.#filter.addEventListener('change', () => this.#attempt(() => this.load()));
    byId('operator-more').addEventListener('click', () => this.#attempt(() => this.load(this.#cursor)));
    onLanguage(() => this.#show());
  }

  /** reset forgets everything. */
  reset() {
    this.#request += 1;
    this.#feedbacks = [];
    this.#stats = null;
    this.#cursor = '';
    this.#filter.reset();
    this.#show();
  }

  #attempt(action) {
    return this.#host.attempt(action);
  }

  #query(cursor) {
    const { category: kind, status, from, to } = Object.fromEntries(new FormData(this.#filter));
    const query = new URLSearchParams({ limit: '20' });
    const wanted = {
      category: kind, status, cursor,
      // Days in the operator's time zone.
      from: from && new Date(`${from}T00:00:00`).toISOString(),
      to: to && new Date(`${to}T23:59:59.999`).toISOString(),
    };
    for (const [name, value] of Object.entries(wanted)) if (value) query.set(name, value);
    return query;
  }

  /** load reads a page. */
  async load(cursor = '') {
    this.#request += 1;
    const request = this.#request;
    const { feedbacks, stats, next_cursor: next = '' } = await allFeedback(this.#host.key, this.#query(cursor));
    if (request !== this.#request) return;
    this.#feedbacks = cursor ? [...this.#feedbacks, ...feedbacks] : feedbacks;
    [this.#stats, this.#cursor] = [stats, next];
    this.#show();
  }

  #show() {
    const open = this.#stats !== null;
    byId('operator-more').hidden = this.#cursor === '';
    byId('operator-none').hidden = this.#feedbacks.length > 0;
    const figures = Object.entries(this.#stats ?? {}).map(([name, n]) => [name, formatNumber(n)]);
    byId('operator-stats').textContent = open ? t('operator.stats', Object.fromEntries(figures)) : '';
    this.#addCategories();
    this.#list.replaceChildren(...this.#feedbacks.map((feedback) => this.#entry(feedback)));
  }

  // Adds the categories that are not in the list but in the feedback.
  #addCategories() {
    const select = byId('operator-category');
    for (const { category: name } of this.#feedbacks) {
      if (![...select.options].some(({ value }) => value === name)) select.append(el('option', { value: name, text: category(name) }));
    }
  }

  #entry(feedback) {
    const done = feedback.status === 'processed';
    const button = (key, action) => el('button', { type: 'button', class: 'quiet small', text: t(key), on: { click: action } });
    const remove = button('action.delete', () => this.#host.confirm(t('operator.delete.sure'), () => this.#remove(feedback)));
    return feedbackEntry(
      feedback,
      feedback.email || feedback.userId,
      el('div', { class: 'feedback-tools' }, button(done ? 'operator.reopen' : 'operator.process', () => this.#attempt(() => this.#mark(feedback, done ? 'pending' : 'processed'))), remove),
    );
  }

  async #mark(feedback, status) {
    const changed = await markFeedback(this.#host.key, feedback.id, status);
    const index = this.#feedbacks.findIndex(({ id }) => id === feedback.id);
    if (index < 0) return;
    const change = status === 'processed' ? 1 : -1;
    if (this.#feedbacks[index].status !== changed.status) {
      this.#stats = { ...this.#stats, processed: this.#stats.processed + change, pending: this.#stats.pending - change };
    }
    this.#feedbacks[index] = changed;
    this.#show();
    // The list was rendered again; restore the focus.
    this.#list.children[index].querySelector('button').focus();
    byId('operator-message').textContent = t('operator.marked');
  }

  async #remove(feedback) {
    await deleteFeedback(this.#host.key, feedback.id);
    const index = this.#feedbacks.findIndex(({ id }) => id === feedback.id);
    if (index < 0) return;
    // Keep the pages loaded so far and adjust the counts; the next request brings the server's.
    const [{ status, created_at: created }] = this.#feedbacks.splice(index, 1);
    const { total, today, [status]: same } = this.#stats;
    const isToday = created.slice(0, 10) === new Date(serverNow()).toISOString().slice(0, 10);
    this.#stats = { ...this.#stats, total: total - 1, [status]: same - 1, today: today - isToday };
    this.#show();
    byId('operator-message').textContent = t('announce.deleted');
    (this.#list.children[Math.min(index, this.#list.children.length - 1)]?.querySelector('button') ?? byId('operator-title')).focus();
  }
}
