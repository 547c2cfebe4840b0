// Webhooks in the account view: where the events of the member's work are sent, the secret that signs them, and what was sent.
import { attempt, button, field, note, onSubmit, rename, title } from './account-forms.js';
import { serverNow, webhooks } from './api.js';
import { byId, copyText, el } from './dom.js';
import { clearFieldErrors } from './fields.js';
import { formatNumber, formatTime, hasMessage, onLanguage, t } from './i18n.js';
import { toast } from './toast.js';
import { workPath } from './router.js';

const events = ['started', 'succeeded', 'failed', 'canceled'];
const masked = `whsec_${'•'.repeat(24)}`;
// How soon the list is read again while something is being delivered, in milliseconds.
const [soonest, latest, farthest] = [1000, 15000, 600000];

let part = null;

/** openWebhooks reads and shows the webhooks of the member. */
export function openWebhooks() {
  part ??= new Webhooks();
  return part.open();
}

const at = (time) => formatTime(new Date(time));

/** Webhooks is the part of the account view with webhooks. */
class Webhooks {
  #list = [];
  #cursor = '';
  #endpoint = null;
  #secret = null;
  #edited = false;
  // The deliveries whose outcome somebody waits for, each with its attempt before and what closes the message about it.
  #awaited = new Map();
  #timer = 0;
  #pause = soonest;
  #url = el('input', { type: 'url', name: 'url', autocomplete: 'off', spellcheck: 'false', 'data-pointer': '/url', 'data-max': 2048 });
  #checks = events.map((event) => el('input', { type: 'checkbox', name: `job.${event}` }));
  #alert = el('p', { class: 'alert', role: 'alert' });
  #disabled = el('p', { class: 'account-message' });
  #key = el('input', { type: 'text', readonly: true, spellcheck: 'false', autocomplete: 'off', value: masked });
  #show = button('webhooks.show', () => this.#reveal(!this.#shown), { 'aria-controls': 'webhooks-secret' });
  #until = el('p', { class: 'saved-note', role: 'status' });
  #none = el('p', { class: 'feedback-none', data: { i18n: 'webhooks.none' }, text: t('webhooks.none') });
  #rows = el('ul', { class: 'feedback-list', id: 'webhooks-list' });
  #more = button('webhooks.more', () => this.#attempt(() => this.#loadOlder()), { hidden: true });
  #form;

  constructor() {
    this.#form = el('form', { id: 'webhooks-form', novalidate: true },
      field('webhooks-url', title('webhooks.url'), this.#url),
      el('fieldset', { class: 'field' }, el('legend', { data: { i18n: 'webhooks.events' }, text: t('webhooks.events') }),
        ...events.map((event, i) => el('label', { class: 'check' }, this.#checks[i], el('span', {}, title(`webhooks.event.${event}`), ' ', el('code', { text: `job.${event}` }))))),
      this.#disabled, this.#alert,
      el('div', { class: 'foot-row' },
        el('button', { type: 'submit', class: 'primary', data: { i18n: 'webhooks.save' }, text: t('webhooks.save') }),
        button('webhooks.ping', () => this.#attempt(() => this.#ping()), { id: 'webhooks-ping' })));
    this.#form.addEventListener('input', () => { this.#edited = true; });
    onSubmit(this.#form, () => this.#save());
    byId('webhooks').replaceChildren(note('webhooks.hint'), this.#form,
      field('webhooks-secret', title('webhooks.secret'), this.#key, note('webhooks.secret.hint'), this.#until, el('div', { class: 'feedback-tools' }, this.#show,
        button('webhooks.copy', async () => this.#secret && toast(t(await copyText(this.#secret.secret) ? 'action.copied' : 'action.copy.failed'))),
        button('webhooks.rotate', () => this.#attempt(() => this.#rotate()), { sure: 'webhooks.rotate.sure', id: 'webhooks-rotate' }))),
      el('div', { class: 'saved-head' }, el('h3', { data: { i18n: 'webhooks.deliveries' }, text: t('webhooks.deliveries') }),
        button('webhooks.refresh', () => this.#attempt(() => this.#load()), { class: 'quiet small' })),
      this.#none, this.#rows, this.#more);
    onLanguage(() => {
      clearFieldErrors(this.#form);
      this.#alert.textContent = '';
      this.#render();
    });
  }

  /** open reads everything again, except what is being edited. */
  open() {
    this.#reveal(false);
    return this.#attempt(async () => {
      [this.#endpoint, this.#secret] = await Promise.all([webhooks('GET'), webhooks('GET', '/secret'), this.#load()]);
      if (!this.#edited) this.#fill();
      this.#render();
    });
  }

  #attempt(action) {
    return attempt(this.#form, action);
  }

  #fill() {
    this.#edited = false;
    this.#url.value = this.#endpoint.url ?? '';
    for (const check of this.#checks) check.checked = this.#endpoint.events.includes(check.name);
  }

  async #save() {
    const url = this.#url.value.trim();
    this.#endpoint = await webhooks('PUT', '', { url: url || null, events: this.#checks.filter(({ checked }) => checked).map(({ name }) => name) });
    this.#fill();
    this.#render();
    toast(t(this.#endpoint.url ? 'webhooks.saved' : 'webhooks.off'));
  }

  get #shown() {
    return this.#secret !== null && this.#key.value !== masked;
  }

  // While it is hidden the secret is not in the document.
  #reveal(shown) {
    this.#key.value = shown && this.#secret ? this.#secret.secret : masked;
    rename(this.#show, this.#shown ? 'webhooks.hide' : 'webhooks.show');
  }

  async #rotate() {
    this.#secret = await webhooks('POST', '/secret');
    this.#reveal(this.#shown);
    this.#render();
    toast(t('webhooks.rotated'));
  }

  // Tests the URL in the field, also before it is saved.
  async #ping() {
    const url = this.#url.value.trim();
    await this.#await(await webhooks('POST', '/ping', url ? { url } : {}));
  }

  async #redeliver({ id }) {
    await this.#await(await webhooks('POST', `/deliveries/${id}/redeliver`));
  }

  // Follows a delivery that was requested until its next attempt has ended.
  async #await({ id, last_attempt_at: before }) {
    this.#awaited.set(id, { before, close: toast(t('webhooks.sent')) });
    this.#pause = soonest;
    await this.#load();
  }

  // Reads the newest deliveries; those on later pages stay as they are.
  async #load() {
    const { deliveries, next_cursor: next = '' } = await webhooks('GET', '/deliveries');
    const older = deliveries.length === 0 ? [] : this.#list.filter(({ id }) => id < deliveries.at(-1).id);
    if (older.length === 0) this.#cursor = next;
    this.#list = [...deliveries, ...older];
    this.#tell();
    this.#render();
    this.#follow();
  }

  async #loadOlder() {
    const { deliveries, next_cursor: next = '' } = await webhooks('GET', `/deliveries?${new URLSearchParams({ cursor: this.#cursor })}`);
    this.#cursor = next;
    this.#list.push(...deliveries);
    this.#render();
    this.#rows.children[this.#list.length - deliveries.length]?.querySelector('button').focus();
  }

  #tell() {
    for (const delivery of this.#list) {
      const awaited = this.#awaited.get(delivery.id);
      if (!awaited || delivery.last_attempt_at === awaited.before) continue;
      this.#awaited.delete(delivery.id);
      awaited.close();
      const ok = delivery.state === 'delivered';
      toast(t(ok ? 'webhooks.arrived' : 'webhooks.lost', { reason: this.#response(delivery) }), { bad: !ok });
      // A success enables a URL, a 410 disables it.
      this.#attempt(async () => {
        this.#endpoint = await webhooks('GET');
        this.#render();
      });
    }
  }

  // Reads the list again when the next attempt is due, as long as somebody can see it.
  #follow() {
    clearTimeout(this.#timer);
    const due = Math.min(...this.#list.filter(({ state }) => state === 'pending').map(({ next_attempt_at: next }) => Date.parse(next ?? '') - serverNow() || 0));
    if (due > farthest) return;
    this.#timer = setTimeout(() => {
      if (document.hidden || !this.#rows.checkVisibility()) this.#follow();
      else this.#attempt(() => this.#load());
    }, Math.max(due, this.#pause));
    this.#pause = Math.min(this.#pause * 1.5, latest);
  }

  #render() {
    const disabled = this.#endpoint?.disabled.find(({ url }) => url === this.#endpoint.url);
    this.#disabled.textContent = disabled ? t('webhooks.disabled', { time: at(disabled.since) }) : '';
    this.#until.hidden = !this.#secret?.previous_until;
    this.#until.textContent = this.#secret?.previous_until ? t('webhooks.previous', { time: at(this.#secret.previous_until) }) : '';
    this.#none.hidden = this.#list.length > 0;
    this.#more.hidden = this.#cursor === '';
    const focused = this.#rows.contains(document.activeElement) ? document.activeElement.dataset.delivery : '';
    this.#rows.replaceChildren(...this.#list.map((delivery) => this.#row(delivery)));
    if (focused) this.#rows.querySelector(`[data-delivery="${CSS.escape(focused)}"]`)?.focus();
  }

  #response({ last_status: status, last_failure: failure }) {
    if (failure && failure !== 'status' && hasMessage(`webhooks.failure.${failure}`)) return t(`webhooks.failure.${failure}`);
    return status ? t('webhooks.response', { status }) : failure ?? '';
  }

  #row(delivery) {
    const about = `about-${delivery.id}`;
    const facts = [
      this.#response(delivery),
      t('webhooks.attempts', { n: formatNumber(delivery.attempts) }),
      delivery.next_attempt_at && Date.parse(delivery.next_attempt_at) > serverNow() ? t('webhooks.next', { time: at(delivery.next_attempt_at) }) : '',
    ];
    const again = button('webhooks.redeliver', () => this.#attempt(() => this.#redeliver(delivery)), { class: 'quiet small', 'aria-describedby': about });
    again.dataset.delivery = delivery.id;
    return el('li', { data: { status: delivery.state } },
      el('p', { class: 'feedback-head', id: about }, el('code', { text: delivery.type }), el('span', { class: 'pill', text: t(`webhooks.state.${delivery.state}`) })),
      el('p', { class: 'feedback-meta' }, el('bdi', { text: delivery.url })),
      el('p', { class: 'feedback-meta' }, el('time', { datetime: delivery.timestamp, text: at(delivery.timestamp) }), ...facts.filter(Boolean).map((text) => el('span', { text }))),
      el('div', { class: 'feedback-tools' }, again,
        delivery.job_id && el('a', { class: 'quiet small', href: workPath(delivery.job_id), 'aria-describedby': about, text: t('webhooks.work') })));
  }
}
