// The account view: sign up, sign in, sign out, password reset and settings.
import { Problem, auth } from './api.js';
import { byId } from './dom.js';
import { clearFieldError, clearFieldErrors, controls, showFieldError, toSentence } from './fields.js';
import { callbackError, showGoogle } from './google.js';
import { onLanguage, t } from './i18n.js';
import { withModule } from './later.js';
import { setPendingLink, takePendingLink } from './member.js';
import { toast } from './toast.js';

const views = ['signin', 'signup', 'forgot', 'reset', 'verify', 'profile'];

let account = null;

/** openAccount shows the account view, and what an email or Google has led to. */
export function openAccount(parts, arrival) {
  account ??= new Account(parts);
  return account.open(arrival);
}

/** Account is the view at /account. */
class Account {
  #section = byId('view-account');
  #message = byId('account-message');
  #member;
  #token = '';
  #busy = false;
  #view = '';
  #router;
  #jobs;

  constructor({ router, jobs, member }) {
    this.#router = router;
    this.#jobs = jobs;
    this.#member = member;
    router.addEventListener('route', ({ detail: { route, before } }) => {
      if (route.view !== 'account' && before.view === 'account') this.#clear();
    });
    for (const button of this.#section.querySelectorAll('[data-view]')) {
      button.addEventListener('click', () => {
        this.#show(button.dataset.view);
        byId(`account-${button.dataset.view}`).querySelector('input')?.focus();
      });
    }
    this.#section.inert = false; // Until now nothing in it would have worked.
    for (const form of this.#section.querySelectorAll('form[data-route]')) {
      form.addEventListener('submit', (event) => {
        event.preventDefault();
        this.#submit(form);
      });
      form.addEventListener('input', ({ target }) => clearFieldError(form, target));
    }
    byId('account-keys').addEventListener('toggle', ({ target }) => {
      if (target.open) withModule('apikeys', ({ openKeys }) => openKeys());
    });
    byId('account-usage').addEventListener('toggle', ({ target }) => {
      if (target.open) withModule('usage', ({ openUsage }) => openUsage());
    });
    byId('account-webhooks').addEventListener('toggle', ({ target }) => {
      if (target.open) withModule('webhooks', ({ openWebhooks }) => openWebhooks());
    });
    member.addEventListener('change', () => this.#showUser());
    onLanguage(() => {
      // What the server said is in the old language.
      this.#message.textContent = '';
      for (const form of this.#section.querySelectorAll('form[data-route]')) {
        clearFieldErrors(form);
        form.querySelector('.alert').textContent = '';
      }
      byId('account-title').textContent = t(byId('account-title').dataset.i18n);
    });
  }

  /** open shows the part of the view that fits. arrival is what takeArrival returned, or null. */
  async open(arrival) {
    if (arrival?.view) {
      this.#token = arrival.token;
      this.#showAndFocus(arrival.view);
    } else if (arrival) await this.#finishGoogle(arrival.callback);
    else if (this.#member.user && !this.#member.user.hasGoogle && takePendingLink()) this.#inform('profile', t('google.now'));
    else this.#show(this.#view || (this.#member.user ? 'profile' : 'signin'));
  }

  // Completes a sign-in with Google or the linking of a Google account.
  async #finishGoogle(callback) {
    const view = this.#member.user ? 'profile' : 'signin';
    if (callback.error !== undefined) {
      this.#showError(view, callbackError(callback.error));
      return;
    }
    this.#inform(view, t('google.busy'));
    try {
      const answer = await auth('google-oauth', callback);
      this.#member.remember(true);
      if (!this.#member.user) {
        location.replace(answer.return ?? '/');
        return;
      }
      this.#member.user = answer.user;
      this.#inform('profile', answer.message);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (error.code === 'link_required') setPendingLink();
      this.#showError(view, error.sentence);
    }
  }

  #inform(view, sentence) {
    this.#showAndFocus(view);
    this.#message.textContent = sentence;
  }

  #showError(view, sentence) {
    this.#showAndFocus(view);
    byId(view === 'profile' ? 'signout-form' : 'signin-form').querySelector('.alert').textContent = sentence;
  }

  #showUser() {
    if (this.#router.route.view === 'account' && ['', 'signin', 'signup', 'profile'].includes(this.#view)) this.#show(this.#member.user ? 'profile' : this.#view === 'signup' ? 'signup' : 'signin');
  }

  #showAndFocus(view) {
    this.#show(view);
    byId(`account-${view}`).querySelector('input')?.focus();
  }

  #show(view) {
    const { user } = this.#member;
    this.#view = view;
    this.#message.textContent = '';
    for (const name of views) byId(`account-${name}`).hidden = name !== view;
    const title = byId('account-title');
    title.dataset.i18n = `title.${view}`;
    title.textContent = t(`title.${view}`);
    byId('account-who').textContent = user ? `${user.username} · ${user.email}` : '';
    showGoogle(user);
    if (view !== 'profile') return;
    byId('rename-username').value = user.username;
    for (const field of this.#section.querySelectorAll('[data-whose]')) field.value = user.email;
    byId('change-password').hidden = !user.hasPassword;
    byId('delete-password').disabled = !user.hasPassword;
    byId('delete-password').closest('.field').hidden = !user.hasPassword;
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
        this.#member.remember(route === 'login' || route === 'register');
        location.assign('/');
        return;
      case 'reset-password':
        this.#token = '';
        this.#show('signin');
        break;
      case 'verify-email':
        this.#token = '';
        if (this.#member.user) {
          // Other tabs stop asking for the confirmation.
          this.#member.tellTabs();
          this.#member.user = { ...this.#member.user, emailVerified: true };
        }
        this.#show(this.#member.user ? 'profile' : 'signin');
        break;
      case 'change-password':
      case 'profile':
      case 'google-unlink':
        this.#member.user = answer.user;
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
