// The account: signing up, in and out, a forgotten password, and what its owner may change. The token lies in a cookie
// that no script can read; this module only knows who is signed in.
import { Problem, auth, whoami } from './api.js';
import { byId } from './dom.js';
import { clearFault, controls, showFault } from './fields.js';
import { linkWanted, offer, rememberLink, sentenceOf, takeReturn } from './google.js';
import { onLanguage, t } from './i18n.js';
import { read, write } from './storage.js';
import { showUnverified } from './unverified.js';

const views = ['signin', 'signup', 'forgot', 'reset', 'verify', 'profile'];
// Other tabs hear of a change by this key.
const changed = 'account_changed';
// This browser has signed in under this key; whether that still holds the API knows.
const member = 'account_member';

/** Account is the button in the bar and its dialog. */
export class Account {
  #dialog = byId('account');
  #button = byId('account-open');
  #said = byId('account-said');
  #user = null;
  #token = '';
  #busy = false;
  #welcome;

  /** welcome is called with whoever turns out to be signed in. */
  constructor(welcome) {
    this.#welcome = welcome;
  }

  /** start finds out who is signed in, and opens the dialog for whoever follows the link of a letter. */
  async start() {
    this.#button.addEventListener('click', () => this.#open(this.#user ? 'profile' : 'signin'));
    byId('account-close').addEventListener('click', () => this.#dialog.close());
    this.#dialog.addEventListener('close', () => this.#clear());
    for (const way of this.#dialog.querySelectorAll('[data-view]')) {
      way.addEventListener('click', () => this.#show(way.dataset.view));
    }
    for (const form of this.#dialog.querySelectorAll('form')) {
      form.addEventListener('submit', (event) => {
        event.preventDefault();
        this.#submit(form);
      });
      form.addEventListener('input', ({ target }) => clearFault(form, target));
    }
    addEventListener('storage', ({ key }) => {
      if (key === changed) location.reload();
    });
    onLanguage(() => this.#name());
    const returned = takeReturn();
    this.#takeToken();
    // Somebody who has never signed in here need not be asked for; the cookie itself cannot be seen.
    if (read(member) !== null) await this.#recognise();
    this.#name();
    if (returned) await this.#comeBack(returned);
    else if (this.#user && !this.#user.hasGoogle && linkWanted()) this.#tell('profile', t('google.now'));
  }

  /** heed is told whom the server takes this browser for: its cookie may be older than this page, or than what it keeps. */
  async heed(lane) {
    if (lane !== 'member' || this.#user || read(member) !== null) return;
    write(member, '1');
    await this.#recognise();
    this.#name();
  }

  // Somebody comes from Google: to sign in, or to link the account.
  async #comeBack(returned) {
    const view = this.#user ? 'profile' : 'signin';
    if (returned.error !== undefined) {
      this.#complain(view, sentenceOf(returned.error));
      return;
    }
    this.#tell(view, t('google.busy'));
    try {
      const answer = await auth('google-oauth', returned);
      write(member, '1');
      write(changed, String(Date.now()));
      if (!this.#user) {
        location.replace(answer.return ?? '/');
        return;
      }
      this.#user = answer.user;
      this.#name();
      this.#tell('profile', answer.message);
    } catch (trouble) {
      if (!(trouble instanceof Problem)) throw trouble;
      if (trouble.code === 'link_required') rememberLink();
      this.#complain(view, trouble.sentence);
    }
  }

  #tell(view, sentence) {
    this.#open(view);
    this.#said.textContent = sentence;
  }

  #complain(view, sentence) {
    this.#open(view);
    byId(view === 'profile' ? 'signout-form' : 'signin-form').querySelector('.alert').textContent = sentence;
  }

  async #recognise() {
    try {
      this.#user = (await whoami()).user;
      this.#welcome(this.#user);
    } catch (trouble) {
      if (!(trouble instanceof Problem)) throw trouble;
      if (trouble.status === 401) write(member, null);
    }
  }

  // The token leaves the address at once, and with it the history.
  #takeToken() {
    const view = { '/reset-password': 'reset', '/verify-email': 'verify' }[location.pathname];
    if (view === undefined) return;
    this.#token = new URLSearchParams(location.search).get('token') ?? '';
    history.replaceState(null, '', '/');
    this.#open(view);
  }

  #name() {
    this.#button.textContent = this.#user ? this.#user.username : t('account.signin');
    showUnverified(this.#user);
    byId('account-who').textContent = this.#user ? `${this.#user.username} · ${this.#user.email}` : '';
  }

  #open(view) {
    this.#show(view);
    if (!this.#dialog.open) this.#dialog.showModal();
    byId(`account-${view}`).querySelector('input')?.focus();
  }

  #show(view) {
    this.#said.textContent = '';
    for (const name of views) byId(`account-${name}`).hidden = name !== view;
    const title = byId('account-title');
    title.dataset.i18n = `title.${view}`;
    title.textContent = t(`title.${view}`);
    offer(this.#user);
    if (view !== 'profile') return;
    byId('rename-username').value = this.#user.username;
    for (const name of this.#dialog.querySelectorAll('[data-whose]')) name.value = this.#user.email;
    byId('change-password').hidden = !this.#user.hasPassword;
    byId('delete-password').disabled = !this.#user.hasPassword;
    byId('delete-password').closest('.field').hidden = !this.#user.hasPassword;
  }

  // Passwords stay no longer than the dialog.
  #clear() {
    for (const form of this.#dialog.querySelectorAll('form')) {
      for (const control of controls(form)) clearFault(form, control);
      form.querySelector('.alert').textContent = '';
      form.reset();
    }
  }

  async #submit(form) {
    if (this.#busy) return;
    const alert = form.querySelector('.alert');
    alert.textContent = '';
    const body = {};
    for (const control of controls(form)) {
      clearFault(form, control);
      if (control.type === 'checkbox') body[control.name] = control.checked;
      else body[control.name] = control.value;
    }
    if (['reset-password', 'verify-email'].includes(form.dataset.route)) body.token = this.#token;
    this.#setBusy(form, true);
    try {
      this.#done(form.dataset.route, await auth(form.dataset.route, body));
    } catch (trouble) {
      if (!(trouble instanceof Problem)) throw trouble;
      const elsewhere = trouble.errors.filter(({ pointer, detail }) => !showFault(form, pointer, detail));
      if (elsewhere.length > 0 || trouble.errors.length === 0) alert.textContent = trouble.sentence;
      form.querySelector('[aria-invalid="true"]')?.focus();
    } finally {
      this.#setBusy(form, false);
    }
  }

  #done(route, answer) {
    switch (route) {
      case 'login':
      case 'register':
      case 'logout':
      case 'delete-account':
        // Everything on the page is somebody else's now; drafts are remembered.
        write(member, route === 'login' || route === 'register' ? '1' : null);
        write(changed, String(Date.now()));
        location.assign('/');
        return;
      case 'reset-password':
        this.#token = '';
        this.#show('signin');
        break;
      case 'verify-email':
        this.#token = '';
        if (this.#user) {
          // Other tabs, and this one when it is closed, no longer ask for it.
          write(changed, String(Date.now()));
          this.#user.emailVerified = true;
          this.#name();
        }
        this.#show(this.#user ? 'profile' : 'signin');
        break;
      case 'change-password':
      case 'profile':
      case 'google-unlink':
        this.#user = answer.user;
        this.#name();
        offer(this.#user);
        for (const field of this.#dialog.querySelectorAll('input[type="password"]')) field.value = '';
        break;
      default:
    }
    this.#said.textContent = answer.message;
  }

  #setBusy(form, busy) {
    this.#busy = busy;
    form.querySelector('[type="submit"]').setAttribute('aria-disabled', String(busy));
  }
}
