// The operator's desk, at #operator: everybody's feedback, for whoever knows the key. The key is kept in this module and
// nowhere else, and no longer than the dialog is open.
import { Problem, allFeedback, dropFeedback, markFeedback, serverNow } from './api.js';
import { byId, el } from './dom.js';
import { number, onLanguage, t } from './i18n.js';
import { category, opinion } from './opinion.js';

const address = '#operator';
const noKey = ['admin_key_required', 'admin_disabled', 'too_many_guesses'];

/** Operator is the dialog that opens for whoever adds #operator to the address. */
export class Operator {
  #dialog = byId('operator');
  #list = byId('operator-list');
  #filter = byId('operator-filter');
  #key = '';
  #feedbacks = [];
  #stats = null;
  #cursor = '';
  // Answers to questions that were asked before the last one are late.
  #asked = 0;

  start() {
    addEventListener('hashchange', () => this.#look());
    byId('operator-close').addEventListener('click', () => this.#dialog.close());
    this.#dialog.addEventListener('close', () => this.#forget());
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
    this.#look();
  }

  #look() {
    if (location.hash !== address || this.#dialog.open) return;
    this.#dialog.showModal();
    byId('operator-key').focus();
  }

  #forget() {
    this.#asked += 1;
    this.#key = '';
    this.#feedbacks = [];
    this.#stats = null;
    this.#cursor = '';
    byId('operator-alert').textContent = '';
    byId('operator-said').textContent = '';
    byId('operator-form').reset();
    this.#filter.reset();
    this.#show();
    if (location.hash === address) history.replaceState(null, '', location.pathname + location.search);
  }

  #query(cursor) {
    const { category: kind, status, from, to } = Object.fromEntries(new FormData(this.#filter));
    const query = new URLSearchParams({ limit: '20' });
    const wanted = {
      category: kind, status, cursor,
      // The days are those of whoever looks.
      from: from && new Date(`${from}T00:00:00`).toISOString(),
      to: to && new Date(`${to}T23:59:59.999`).toISOString(),
    };
    for (const [name, value] of Object.entries(wanted)) if (value) query.set(name, value);
    return query;
  }

  async #load(cursor = '') {
    this.#asked += 1;
    const asked = this.#asked;
    const { feedbacks, stats, next_cursor: next = '' } = await allFeedback(this.#key, this.#query(cursor));
    if (asked !== this.#asked) return;
    const entering = this.#stats === null;
    this.#feedbacks = cursor ? [...this.#feedbacks, ...feedbacks] : feedbacks;
    [this.#stats, this.#cursor] = [stats, next];
    byId('operator-key').value = '';
    this.#show();
    if (entering) byId('operator-title').focus();
  }

  #show() {
    const open = this.#stats !== null;
    byId('operator-form').hidden = open;
    byId('operator-desk').hidden = !open;
    byId('operator-more').hidden = this.#cursor === '';
    byId('operator-none').hidden = this.#feedbacks.length > 0;
    const figures = Object.entries(this.#stats ?? {}).map(([name, n]) => [name, number(n)]);
    byId('operator-stats').textContent = open ? t('operator.stats', Object.fromEntries(figures)) : '';
    this.#offer();
    this.#list.replaceChildren(...this.#feedbacks.map((feedback) => this.#entry(feedback)));
  }

  // Categories that somebody made up can be chosen once they were seen.
  #offer() {
    const choices = byId('operator-category');
    for (const { category: name } of this.#feedbacks) {
      if (![...choices.options].some(({ value }) => value === name)) choices.append(el('option', { value: name, text: category(name) }));
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
    return opinion(
      feedback,
      feedback.email || feedback.userId,
      el('div', { class: 'feedback-tools' }, button(done ? 'operator.reopen' : 'operator.process', () => this.#attempt(() => this.#mark(feedback, done ? 'pending' : 'processed'))), remove),
    );
  }

  async #mark(feedback, status) {
    const changed = await markFeedback(this.#key, feedback.id, status);
    const place = this.#feedbacks.findIndex(({ id }) => id === feedback.id);
    if (place < 0) return;
    const way = status === 'processed' ? 1 : -1;
    if (this.#feedbacks[place].status !== changed.status) {
      this.#stats = { ...this.#stats, processed: this.#stats.processed + way, pending: this.#stats.pending - way };
    }
    this.#feedbacks[place] = changed;
    this.#show();
    // The button that was pressed is another one now.
    this.#list.children[place].querySelector('button').focus();
    byId('operator-said').textContent = t('operator.marked');
  }

  async #remove(feedback) {
    await dropFeedback(this.#key, feedback.id);
    const place = this.#feedbacks.findIndex(({ id }) => id === feedback.id);
    if (place < 0) return;
    // What was loaded further down stays; the server's figures come with the next question.
    const [{ status, created_at: created }] = this.#feedbacks.splice(place, 1);
    const { total, today, [status]: same } = this.#stats;
    const isToday = created.slice(0, 10) === new Date(serverNow()).toISOString().slice(0, 10);
    this.#stats = { ...this.#stats, total: total - 1, [status]: same - 1, today: today - isToday };
    this.#show();
    byId('operator-said').textContent = t('announce.deleted');
    (this.#list.children[Math.min(place, this.#list.children.length - 1)]?.querySelector('button') ?? byId('operator-title')).focus();
  }

  async #attempt(action) {
    const alert = byId('operator-alert');
    alert.textContent = '';
    try {
      await action();
    } catch (trouble) {
      if (!(trouble instanceof Problem)) throw trouble;
      if (!this.#dialog.open) return;
      alert.textContent = trouble.code === 'admin_key_required' ? t('operator.wrong') : trouble.sentence;
      if (!noKey.includes(trouble.code)) return;
      this.#stats = null;
      this.#show();
      byId('operator-key').focus();
    }
  }
}
