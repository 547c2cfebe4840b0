// API keys in the account view: a form that creates one, the new key, which is shown once, and the list with what to revoke.
import { attempt, button, field, note, onSubmit, title } from './account-forms.js';
import { createKey, listKeys, revokeKey } from './api.js';
import { byId, copyText, el } from './dom.js';
import { clearFieldErrors } from './fields.js';
import { formatTime, onLanguage, t } from './i18n.js';
import { toast } from './toast.js';

const day = 86400;
const lifetimes = () => [['', t('keys.never')], [30 * day, t('keys.month')], [90 * day, t('keys.quarter')], [365 * day, t('keys.year')]];

let keys = null;

/** openKeys reads and shows the API keys of the member. */
export function openKeys() {
  keys ??= new Keys();
  return keys.open();
}

/** Keys is the part of the account view with API keys. */
class Keys {
  #list = [];
  #alert = el('p', { class: 'alert', role: 'alert' });
  #rows = el('ul', { class: 'feedback-list', id: 'keys-list' });
  #none = el('p', { class: 'feedback-none', data: { i18n: 'keys.none' }, text: t('keys.none') });
  #created = el('div', { class: 'field', hidden: true });
  #name = el('input', { type: 'text', name: 'name', autocomplete: 'off', 'data-pointer': '/name', 'data-required': true, 'data-max': 64 });
  #lifetime = el('select', { name: 'expires_in' });
  #perDay = el('input', { type: 'text', name: 'per_day', inputmode: 'numeric', autocomplete: 'off', 'data-pointer': '/per_day', 'data-type': 'int', 'data-min': 1, 'data-limit': 1000000 });
  #budget = el('input', { type: 'text', name: 'budget_per_month', inputmode: 'decimal', autocomplete: 'off', 'data-pointer': '/budget_per_month' });
  #submits = el('input', { type: 'checkbox', name: 'submit', checked: true });
  #reads = el('input', { type: 'checkbox', name: 'read', checked: true, 'data-pointer': '/scopes' });
  #form;

  constructor() {
    this.#form = el('form', { id: 'keys-form', novalidate: true },
      field('keys-name', title('keys.name'), this.#name),
      el('div', { class: 'field' },
        el('label', { class: 'check' }, this.#submits, title('keys.submit')),
        el('label', { class: 'check' }, this.#reads, title('keys.read'))),
      field('keys-lifetime', title('keys.lifetime'), this.#lifetime),
      field('keys-per-day', title('keys.per_day'), this.#perDay),
      field('keys-budget', title('keys.budget'), this.#budget),
      this.#alert, el('button', { type: 'submit', class: 'primary', data: { i18n: 'keys.create' }, text: t('keys.create') }));
    onSubmit(this.#form, () => this.#send());
    byId('api-keys').replaceChildren(note('keys.hint'), this.#created, this.#none, this.#rows, this.#form);
    this.#showLifetimes();
    onLanguage(() => {
      clearFieldErrors(this.#form);
      this.#alert.textContent = '';
      this.#showLifetimes();
      this.#show();
    });
  }

  /** open reads the keys again. */
  open() {
    return attempt(this.#form, () => this.#load());
  }

  async #load() {
    this.#list = (await listKeys()).keys;
    this.#show();
  }

  #showLifetimes() {
    const chosen = this.#lifetime.value;
    this.#lifetime.replaceChildren(...lifetimes().map(([value, text]) => el('option', { value, text })));
    this.#lifetime.value = chosen;
  }

  #show() {
    this.#none.hidden = this.#list.length > 0;
    this.#rows.replaceChildren(...this.#list.map((key) => this.#row(key)));
  }

  #row(key) {
    const at = (time) => formatTime(new Date(time));
    const about = `about-${key.id}`;
    const facts = [
      key.scopes.map((scope) => t(`keys.scope.${scope}`)).join(' · '),
      key.last_used_at ? t('keys.used', { time: at(key.last_used_at) }) : t('keys.unused'),
      key.expires_at ? t('keys.expires', { time: at(key.expires_at) }) : null,
      key.per_day ? t('keys.limit', { n: key.per_day }) : null,
      key.budget_per_day ? t('keys.budget_per_day', { amount: key.budget_per_day }) : null,
      key.budget_per_month ? t('keys.budget_per_month', { amount: key.budget_per_month }) : null,
    ];
    return el('li', {},
      el('p', { class: 'feedback-head', id: about }, el('span', { text: key.name }), el('code', { text: `${key.shown}…` })),
      el('p', { class: 'feedback-meta' }, ...facts.filter(Boolean).map((text) => el('span', { text }))),
      el('div', { class: 'feedback-tools' }, button('keys.revoke', () => this.#revoke(key), { sure: 'keys.sure', class: 'quiet small', 'aria-describedby': about })));
  }

  async #send() {
    const request = { name: this.#name.value, scopes: [this.#submits.checked && 'submit', this.#reads.checked && 'read'].filter(Boolean) };
    if (this.#lifetime.value) request.expires_in = Number(this.#lifetime.value);
    if (this.#perDay.value.trim()) request.per_day = Number(this.#perDay.value);
    if (this.#budget.value.trim()) request.budget_per_month = this.#budget.value.trim();
    const created = await createKey(request);
    this.#form.reset();
    this.#showCreated(created);
    await this.#load();
  }

  // The key is in the document until it has been copied or the page is left, and nowhere else.
  #showCreated({ key }) {
    const box = el('input', { type: 'text', readonly: true, value: key, spellcheck: 'false', autocomplete: 'off', on: { focus: () => box.select() } });
    const copy = button('keys.copy', async () => toast(t(await copyText(key) ? 'action.copied' : 'action.copy.failed')));
    const done = button('keys.done', () => {
      this.#created.replaceChildren();
      this.#created.hidden = true;
      this.#name.focus();
    });
    this.#created.replaceChildren(...field('keys-new', title('keys.once'), box, el('div', { class: 'feedback-tools' }, copy, done)).children);
    this.#created.hidden = false;
    box.focus();
  }

  async #revoke(key) {
    const problem = await attempt(this.#form, async () => {
      await revokeKey(key.id);
      toast(t('keys.revoked', { name: key.name }));
      await this.#load();
      this.#name.focus();
    });
    // Another tab may have revoked it.
    if (problem?.status === 404) await this.open();
  }
}
