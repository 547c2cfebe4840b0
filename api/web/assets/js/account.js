// The account view: sign up, sign in, sign out, password reset and settings. The token is in an HttpOnly cookie that no
// script can read; this module only knows who is signed in.
import { Problem, auth, whoami } from './api.js';
import { byId } from './dom.js';
import { clearFieldError, clearFieldErrors, controls, showFieldError, toSentence } from './fields.js';
import { callbackError, setPendingLink, showGoogle, takeCallback, takePendingLink } from './google.js';
import { onLanguage, t } from './i18n.js';
import { read, write } from './storage.js';
import { toast } from './toast.js';
import { showUnverified } from './unverified.js';

const views = ['signin', 'signup', 'forgot', 'reset', 'verify', 'profile'];
// Writing this key tells other tabs that the account has changed.
const changedKey = 'account_changed';
// Set once this browser has signed in; only the API knows whether the session is still valid.
const memberKey = 'account_member';

/** Account is the account link in the header and its view. */
export class Account {
  #section = byId('view-account');
  #button = byId('account-open');
  #name = byId('account-name');
  #message = byId('account-message');
  #user = null;
  #token = '';
  #busy = false;
  #view = '';
  #router;
  #jobs;
  #onSignIn;

  /** onSignIn is called with the signed-in user. */
  constructor(router, jobs, onSignIn) {
    this.#router = router;
    this.#jobs = jobs;
    this.#onSignIn = onSignIn;
  }

  /** user is the signed-in user, or null. */
  get user() {
    return this.#user;
  }

  /** start finds out who is signed in, and shows the view when the page was opened from an email link. */
  async start() {
    this.#router.addEventListener('route', ({ detail: { route, before } }) => {
      if (route.view === 'account' && before.view !== 'account') this.#show(this.#view || (this.#user ? 'profile' : 'signin'));
      if (route.view !== 'account' && before.view === 'account') this.#clear();
    });
    for (const button of this.#section.querySelectorAll('[data-view]')) {
      button.addEventListener('click', () => {
        this.#show(button.dataset.view);
        byId(`account-${button.dataset.view}`).querySelector('input')?.focus();
      });
    }
    for (const form of this.#section.querySelectorAll('form[data-route]')) {
      form.addEventListener('submit', (event) => {
        event.preventDefault();
        this.#submit(form);
      });
      form.addEventListener('input', ({ target }) => clearFieldError(form, target));
    }
    addEventListener('storage', ({ key }) => {
      if (key === changedKey) location.reload();
    });
    onLanguage(() => {
      // What the server said is in the old language.
      this.#message.textContent = '';
      for (const form of this.#section.querySelectorAll('form[data-route]')) {
        clearFieldErrors(form);
        form.querySelector('.alert').textContent = '';
      }
      this.#showUser();
      byId('account-title').textContent = t(byId('account-title').dataset.i18n);
    });
    const callback = takeCallback();
    this.#takeToken();
    // The cookie is not visible to scripts; skip the request if nobody has ever signed in here.
    if (read(memberKey) !== null) await this.#loadUser();
    this.#showUser();
    if (callback) await this.#finishGoogle(callback);
    else if (this.#user && !this.#user.hasGoogle && takePendingLink()) this.#inform('profile', t('google.now'));
  }

  /** handleLane loads the user when the server says that this browser is signed in although its storage does not. */
  async handleLane(lane) {
    if (lane !== 'member' || this.#user || read(memberKey) !== null) return;
    write(memberKey, '1');
    await this.#loadUser();
    this.#showUser();
  }

  // Completes a sign-in with Google or the linking of a Google account.
  async #finishGoogle(callback) {
    const view = this.#user ? 'profile' : 'signin';
    if (callback.error !== undefined) {
      this.#showError(view, callbackError(callback.error));
      return;
    }
    this.#inform(view, t('google.busy'));
    try {
      const answer = await auth('google-oauth', callback);
      write(memberKey, '1');
      write(changedKey, String(Date.now()));
      if (!this.#user) {
        location.replace(answer.return ?? '/');
        return;
      }
      this.#user = answer.user;
      this.#showUser();
      this.#inform('profile', answer.message);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (error.code === 'link_required') setPendingLink();
      this.#showError(view, error.sentence);
    }
  }

  #inform(view, sentence) {
    this.#open(view);
    this.#message.textContent = sentence;
  }

  #showError(view, sentence) {
    this.#open(view);
    byId(view === 'profile' ? 'signout-form' : 'signin-form').querySelector('.alert').textContent = sentence;
  }

  async #loadUser() {
    try {
      this.#user = (await whoami()).user;
      this.#onSignIn(this.#user);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (error.status === 401) write(memberKey, null);
    }
  }

  // Removes the token from the URL, and so from the history, at once.
  #takeToken() {
    const view = { '/reset-password': 'reset', '/verify-email': 'verify' }[location.pathname];
    if (view === undefined) return;
    this.#token = new URLSearchParams(location.search).get('token') ?? '';
    this.#open(view, true);
  }

  #showUser() {
    this.#name.textContent = this.#user ? this.#user.username : t('account.signin');
    document.documentElement.dataset.member = String(Boolean(this.#user));
    if (this.#router.route.view === 'account' && ['', 'signin', 'signup', 'profile'].includes(this.#view)) this.#show(this.#user ? 'profile' : this.#view === 'signup' ? 'signup' : 'signin');
    showUnverified(this.#user);
    byId('account-who').textContent = this.#user ? `${this.#user.username} · ${this.#user.email}` : '';
  }

  #open(view, replace = false) {
    this.#view = view;
    this.#router.go('/account', { replace });
    this.#show(view);
    byId(`account-${view}`).querySelector('input')?.focus();
  }

  #show(view) {
    this.#view = view;
    this.#message.textContent = '';
    for (const name of views) byId(`account-${name}`).hidden = name !== view;
    const title = byId('account-title');
    title.dataset.i18n = `title.${view}`;
    title.textContent = t(`title.${view}`);
    showGoogle(this.#user);
    if (view !== 'profile') return;
    byId('rename-username').value = this.#user.username;
    for (const field of this.#section.querySelectorAll('[data-whose]')) field.value = this.#user.email;
    byId('change-password').hidden = !this.#user.hasPassword;
    byId('delete-password').disabled = !this.#user.hasPassword;
    byId('delete-password').closest('.field').hidden = !this.#user.hasPassword;
  }

  // Passwords are cleared when the view is left.
  #clear() {
    this.#view = '';
    for (const form of this.#section.querySelectorAll('form[data-route]')) {
      clearFieldErrors(form);
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
      clearFieldError(form, control);
      if (control.type === 'checkbox') body[control.name] = control.checked;
      else body[control.name] = control.value;
    }
    if (['reset-password', 'verify-email'].includes(form.dataset.route)) body.token = this.#token;
    this.#setBusy(form, true);
    try {
      this.#finish(form.dataset.route, await auth(form.dataset.route, body));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      const unmatched = error.errors.filter(({ pointer, detail }) => !showFieldError(form, pointer, toSentence(detail)));
      if (unmatched.length > 0 || error.errors.length === 0) alert.textContent = error.sentence;
      form.querySelector('[aria-invalid="true"]')?.focus();
    } finally {
      this.#setBusy(form, false);
    }
  }

  #finish(route, answer) {
    switch (route) {
      case 'login':
      case 'register':
      case 'logout':
      case 'delete-account':
        // Everything on the page belongs to another caller now. Drafts are kept in storage, and so is the way to a guest's work.
        if (route === 'login' || route === 'register') this.#jobs.rememberGuest();
        else this.#jobs.forgetGuest();
        write(memberKey, route === 'login' || route === 'register' ? '1' : null);
        write(changedKey, String(Date.now()));
        location.assign('/');
        return;
      case 'reset-password':
        this.#token = '';
        this.#show('signin');
        break;
      case 'verify-email':
        this.#token = '';
        if (this.#user) {
          // Other tabs stop asking for the confirmation.
          write(changedKey, String(Date.now()));
          this.#user.emailVerified = true;
          this.#showUser();
        }
        this.#show(this.#user ? 'profile' : 'signin');
        break;
      case 'change-password':
      case 'profile':
      case 'google-unlink':
        this.#user = answer.user;
        this.#showUser();
        showGoogle(this.#user);
        for (const field of this.#section.querySelectorAll('input[type="password"]')) field.value = '';
        for (const details of this.#section.querySelectorAll('#account-profile details[open]')) details.open = false;
        break;
      default:
    }
    toast(answer.message);
  }

  #setBusy(form, busy) {
    this.#busy = busy;
    form.querySelector('[type="submit"]').setAttribute('aria-disabled', String(busy));
  }
}
