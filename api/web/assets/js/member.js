// Who is signed in. The token is in an HttpOnly cookie that no script can read. The account view is a module of its own.
import { Problem, whoami } from './api.js';
import { byId, setText } from './dom.js';
import { onLanguage, t } from './i18n.js';
import { forgetQuota } from './quota.js';
import { read, write } from './storage.js';
import { showUnverified } from './unverified.js';

// Writing this key tells other tabs that the account has changed.
const changedKey = 'account_changed';
// Set once this browser has signed in; only the API knows whether the session is still valid.
const memberKey = 'account_member';
// Set when somebody must first sign in with a password in order to link Google.
const pendingLink = 'google_link';
const callbackPath = '/auth/google/callback';

/**
 * takeArrival returns what a link in an email or a redirect from Google brought: {view, token}, or {callback} with its
 * parameters; null if there was none. They leave the URL, and so the history, at once.
 */
export function takeArrival() {
  const query = new URLSearchParams(location.search);
  const view = { '/reset-password': 'reset', '/verify-email': 'verify' }[location.pathname];
  const redirected = location.pathname === callbackPath || (query.has('state') && (query.has('code') || query.has('error')));
  if (view === undefined && !redirected) return null;
  history.replaceState(null, '', '/account');
  if (view) return { view, token: query.get('token') ?? '' };
  return { callback: query.has('code') ? { code: query.get('code'), state: query.get('state') ?? '' } : { error: query.get('error') ?? '' } };
}

/** Member knows the signed-in user and shows it in the header. It dispatches "change". */
export class Member extends EventTarget {
  #user = null;
  #onSignIn;

  /** onSignIn is called with the signed-in user. */
  constructor(onSignIn) {
    super();
    this.#onSignIn = onSignIn;
    addEventListener('storage', ({ key }) => {
      if (key === changedKey) location.reload();
    });
    onLanguage(() => this.#show());
  }

  /** user is the signed-in user, or null. */
  get user() {
    return this.#user;
  }

  set user(user) {
    this.#user = user;
    this.#show();
  }

  /** start finds out who is signed in. The cookie is not visible to scripts: nobody is asked if nobody has ever signed in here. */
  async start() {
    if (read(memberKey) !== null) await this.#load();
    this.#show();
  }

  /** handleLane loads the user when the server says that this browser is signed in although its storage does not. */
  async handleLane(lane) {
    if (lane !== 'member' || this.#user || read(memberKey) !== null) return;
    write(memberKey, '1');
    await this.#load();
    this.#show();
  }

  /** remember notes whether somebody is signed in now, and tells the other tabs. */
  remember(signedIn) {
    write(memberKey, signedIn ? '1' : null);
    forgetQuota();
    this.tellTabs();
  }

  /** tellTabs makes the other tabs read the account again. */
  tellTabs() {
    write(changedKey, String(Date.now()));
  }

  async #load() {
    try {
      this.#user = (await whoami()).user;
      this.#onSignIn(this.#user);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (error.status === 401) write(memberKey, null);
    }
  }

  #show() {
    setText(byId('account-name'), this.#user ? this.#user.username : t('account.signin'));
    document.documentElement.dataset.member = String(Boolean(this.#user));
    showUnverified(this.#user);
    this.dispatchEvent(new Event('change'));
  }
}

/** setPendingLink makes the page offer to link Google after the next sign-in. */
export function setPendingLink() {
  write(pendingLink, '1');
}

/** hasPendingLink reports whether that is to be offered. */
export const hasPendingLink = () => read(pendingLink) !== null;

/** takePendingLink reports it once. */
export function takePendingLink() {
  const pending = hasPendingLink();
  write(pendingLink, null);
  return pending;
}
