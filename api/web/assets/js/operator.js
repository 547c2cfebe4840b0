// The operator's views: feedback, dead letters, queues and pauses. The key is held only in this module and only while one of
// them is shown.
import { Problem, admin } from './api.js';
import { byId, el, setText } from './dom.js';
import { formatNumber, formatTime, onLanguage, t } from './i18n.js';
import { FeedbackPart } from './operator-feedback.js';
import { toast } from './toast.js';

const keyErrors = ['admin_key_required', 'admin_disabled', 'too_many_guesses'];

let shown = null;

/** openOperator shows the part of the current address, and from then on those of later ones. */
export function openOperator(router) {
  shown ??= new Operator(router);
}

/** Operator shows the part of /operator/… that the address names. */
class Operator {
  key = '';
  #part = 'feedback';
  #open = false;
  #feedback;
  #router;
  #letters = [];
  #cursor = '';
  #total = 0;
  #control = null;

  constructor(router) {
    this.#router = router;
    byId('view-operator').inert = false; // Until now nothing in it would have worked.
    this.#feedback = new FeedbackPart(this);
    router.addEventListener('route', ({ detail: { route, before } }) => {
      if (route.view === 'operator') this.#show(route.part, before.view !== 'operator');
      else if (before.view === 'operator') this.#reset();
    });
    if (router.route.view === 'operator') this.#show(router.route.part, true);
    byId('operator-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.key = byId('operator-key').value.trim();
      if (this.key) this.attempt(() => this.#load());
    });
    byId('operator-reload').addEventListener('click', () => this.attempt(() => this.#load()));
    byId('letters-more').addEventListener('click', () => this.attempt(() => this.#loadLetters(this.#cursor)));
    onLanguage(() => this.#render());
  }

  /** attempt runs an action and shows its error, if any. */
  async attempt(action) {
    const alert = byId('operator-alert');
    alert.textContent = '';
    try {
      await action();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (this.#router.route.view !== 'operator') return;
      alert.textContent = error.code === 'admin_key_required' ? t('operator.wrong') : error.sentence;
      if (!keyErrors.includes(error.code)) return;
      this.#open = false;
      this.#render();
      byId('operator-key').focus();
    }
  }

  /** confirm asks before something that cannot be undone. */
  confirm(sentence, action) {
    const dialog = byId('confirm');
    setText(byId('confirm-text'), sentence);
    dialog.returnValue = '';
    dialog.addEventListener('close', () => {
      if (dialog.returnValue === 'yes') this.attempt(action);
    }, { once: true });
    dialog.showModal();
  }

  #show(part, entered) {
    this.#part = part;
    this.#render();
    if (this.#open) this.attempt(() => this.#load());
    else if (entered) byId('operator-key').focus();
  }

  #reset() {
    this.key = '';
    this.#open = false;
    this.#letters = [];
    this.#control = null;
    byId('operator-alert').textContent = '';
    byId('operator-form').reset();
    this.#feedback.reset();
    this.#render();
  }

  async #load() {
    if (this.#part === 'feedback') await this.#feedback.load();
    else if (this.#part === 'dead-letters') await this.#loadLetters('');
    else this.#control = await admin(this.key, 'GET', 'control');
    const first = !this.#open;
    this.#open = true;
    byId('operator-key').value = '';
    this.#render();
    if (first) byId('operator-title').focus();
  }

  async #loadLetters(cursor) {
    const page = await admin(this.key, 'GET', `dead-letters?${new URLSearchParams({ limit: '50', ...(cursor && { cursor }) })}`);
    this.#letters = cursor ? [...this.#letters, ...page.dead_letters] : page.dead_letters;
    [this.#cursor, this.#total] = [page.next_cursor ?? '', page.total];
    this.#render();
  }

  #render() {
    byId('operator-form').hidden = this.#open;
    byId('operator-panel').hidden = !this.#open;
    for (const section of document.querySelectorAll('[data-operator]')) section.hidden = section.dataset.operator !== this.#part;
    for (const link of document.querySelectorAll('#operator-nav a')) {
      const current = link.getAttribute('href').endsWith(`/${this.#part}`);
      if (current) link.setAttribute('aria-current', 'page');
      else link.removeAttribute('aria-current');
    }
    byId('letters-none').hidden = this.#letters.length > 0;
    byId('letters-more').hidden = this.#cursor === '';
    setText(byId('letters-count'), t('operator.letters', { n: formatNumber(this.#total) }));
    byId('letters').replaceChildren(...this.#letters.map((letter) => this.#letter(letter)));
    byId('queues').replaceChildren(...(this.#control?.upstreams ?? []).map((upstream) => this.#upstream(upstream)));
    byId('pauses').replaceChildren(...(this.#control?.kinds ?? []).map((kind) => this.#kind(kind)));
  }

  #button(key, action, style = 'quiet small') {
    return el('button', { type: 'button', class: style, text: t(key), on: { click: action } });
  }

  #entry(title, facts, text, ...buttons) {
    return el('li', {}, el('p', { class: 'feedback-head' }, el('bdi', { text: title }), el('span', { class: 'pill', text: facts })),
      text && el('p', { class: 'feedback-text', text }), el('div', { class: 'feedback-tools' }, ...buttons));
  }

  #letter(letter) {
    const text = [letter.error?.message, letter.error?.code].filter(Boolean).join(' · ');
    const path = `dead-letters/${encodeURIComponent(letter.id)}`;
    return this.#entry(`${t(`kind.${letter.kind}`)} · ${letter.id}`, formatTime(new Date(letter.failed_at)), text,
      letter.replayable && this.#button('operator.replay', () => this.attempt(async () => {
        await admin(this.key, 'POST', `${path}/replay`);
        toast(t('operator.replayed'));
        await this.#loadLetters('');
      })),
      this.#button('action.delete', () => this.confirm(t('operator.delete.sure'), async () => {
        await admin(this.key, 'DELETE', path);
        await this.#loadLetters('');
      })));
  }

  #upstream(upstream) {
    const parts = [upstream.code, upstream.until && t('operator.until', { time: formatTime(new Date(upstream.until)) })].filter(Boolean);
    return this.#entry(upstream.name, t(`circuit.${upstream.state}`), [upstream.kinds.map((kind) => t(`kind.${kind}`)).join(', '), ...parts].join(' · '),
      upstream.state !== 'closed' && this.#button('operator.probe', () => this.attempt(async () => {
        await admin(this.key, 'POST', `upstreams/${encodeURIComponent(upstream.name)}/probe`);
        await this.#load();
      })));
  }

  #kind(kind) {
    const action = kind.paused ? 'resume' : 'pause';
    return this.#entry(t(`kind.${kind.kind}`), t(kind.paused ? 'operator.paused' : 'operator.open'), kind.note ?? '',
      this.#button(`operator.${action}`, () => this.attempt(async () => {
        await admin(this.key, 'POST', `kinds/${encodeURIComponent(kind.kind)}/${action}`);
        await this.#load();
      })));
  }
}
