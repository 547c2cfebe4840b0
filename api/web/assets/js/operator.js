// The operator's view of all feedback, at #operator. The admin key is held only in this module and only while the dialog
// is open.
import { Problem, allFeedback, deleteFeedback, markFeedback, serverNow } from './api.js';
import { byId, el } from './dom.js';
import { formatNumber, onLanguage, t } from './i18n.js';
import { category, feedbackEntry } from './feedback-entry.js';

const hash = '#operator';
const keyErrors = ['admin_key_required', 'admin_disabled', 'too_many_guesses'];

/** Operator is the dialog that the fragment #operator opens. */
export class Operator {
  #dialog = byId('operator');
  #list = byId('operator-list');
  #filter = byId('operator-filter');
  #key = '';
  #feedbacks = [];
  #stats = null;
  #cursor = '';
  // Responses to any but the latest request are stale.
  #request = 0;

  start() {
    addEventListener('hashchange', () => this.#openFromHash());
    byId('operator-close').addEventListener('click', () => this.#dialog.close());
    this.#dialog.addEventListener('close', () => this.#reset());
    byId('operator-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#key = byId('operator-key').value.trim();
      if (this.#key) this.#attempt(() => this.#load());
    });
    this.#filter.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#attempt(() => this.#load());
    });
    this.#filter.addEventListener('change', () => this.#attempt(() => this.#load()));
    byId('operator-more').addEventListener('click', () => this.#attempt(() => this.#load(this.#cursor)));
    onLanguage(() => this.#show());
    this.#openFromHash();
  }

  #openFromHash() {
    if (location.hash !== hash || this.#dialog.open) return;
    this.#dialog.showModal();
    byId('operator-key').focus();
  }

  #reset() {
    this.#request += 1;
    this.#key = '';
    this.#feedbacks = [];
    this.#stats = null;
    this.#cursor = '';
    byId('operator-alert').textContent = '';
    byId('operator-message').textContent = '';
    byId('operator-form').reset();
    this.#filter.reset();
    this.#show();
    if (location.hash === hash) history.replaceState(null, '', location.pathname + location.search);
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

  async #load(cursor = '') {
    this.#request += 1;
    const request = this.#request;
    const { feedbacks, stats, next_cursor: next = '' } = await allFeedback(this.#key, this.#query(cursor));
    if (request !== this.#request) return;
    const first = this.#stats === null;
    this.#feedbacks = cursor ? [...this.#feedbacks, ...feedbacks] : feedbacks;
    [this.#stats, this.#cursor] = [stats, next];
    byId('operator-key').value = '';
    this.#show();
    if (first) byId('operator-title').focus();
  }

  #show() {
    const open = this.#stats !== null;
    byId('operator-form').hidden = open;
    byId('operator-panel').hidden = !open;
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
    const remove = button('action.delete', () => {
      if (remove.classList.contains('danger')) {
        this.#attempt(() => this.#remove(feedback));
        return;
      }
      remove.classList.add('danger');
      remove.textContent = t('action.delete.sure');
    });
    remove.addEventListener('blur', () => {
      remove.classList.remove('danger');
      remove.textContent = t('action.delete');
    });
    return feedbackEntry(
      feedback,
      feedback.email || feedback.userId,
      el('div', { class: 'feedback-tools' }, button(done ? 'operator.reopen' : 'operator.process', () => this.#attempt(() => this.#mark(feedback, done ? 'pending' : 'processed'))), remove),
    );
  }

  async #mark(feedback, status) {
    const changed = await markFeedback(this.#key, feedback.id, status);
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
    await deleteFeedback(this.#key, feedback.id);
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

  async #attempt(action) {
    const alert = byId('operator-alert');
    alert.textContent = '';
    try {
      await action();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (!this.#dialog.open) return;
      alert.textContent = error.code === 'admin_key_required' ? t('operator.wrong') : error.sentence;
      if (!keyErrors.includes(error.code)) return;
      this.#stats = null;
      this.#show();
      byId('operator-key').focus();
    }
  }
}
