// Sign-in with Google. The redirects happen in this window, never in a popup, and the authorization code is removed from
// the URL at once.
import { providers } from './api.js';
import { byId } from './dom.js';
import { hasMessage, t } from './i18n.js';
import { read, write } from './storage.js';

const callbackPath = '/auth/google/callback';
// Set when somebody must first sign in with a password in order to link Google.
const pendingLink = 'google_link';

/** takeCallback returns the parameters of a redirect from Google, {code, state} or {error}, or null when there was none. */
export function takeCallback() {
  const query = new URLSearchParams(location.search);
  const isRedirect = query.has('state') && (query.has('code') || query.has('error'));
  if (location.pathname !== callbackPath && !isRedirect) return null;
  history.replaceState(null, '', '/account');
  if (query.has('code')) return { code: query.get('code'), state: query.get('state') ?? '' };
  return { error: query.get('error') ?? '' };
}

/** callbackError returns the message for an error code from Google. */
export function callbackError(error) {
  return hasMessage(`google.${error}`) ? t(`google.${error}`) : t('google.failed');
}

// Only the page at the origin that Google redirects to can finish a sign-in: the cookie of the attempt is there.
function returnsHere({ providers, returnOrigins }) {
  return providers.google && URL.canParse(returnOrigins?.google) && new URL(returnOrigins.google).origin === location.origin;
}

/** showGoogle shows the Google controls that apply to the user; none when a sign-in would not return to this origin. */
export async function showGoogle(user) {
  let enabled = false;
  try {
    enabled = returnsHere(await providers());
  } catch {
    // Without a response there is no button; a password still works.
  }
  for (const part of document.querySelectorAll('[data-google]')) part.hidden = !enabled;
  byId('google').hidden = !user || (!enabled && !user.hasGoogle);
  byId('google-connect').hidden = !enabled || !user || user.hasGoogle;
  byId('unlink-form').hidden = !user?.hasGoogle || !user.hasPassword;
  byId('google-only').hidden = !user?.hasGoogle || user.hasPassword;
  byId('google-linked').hidden = !user?.hasGoogle;
  byId('delete-again').hidden = !enabled || !user?.hasGoogle || user.hasPassword;
}

/** setPendingLink makes the page offer the linking after the next sign-in. */
export function setPendingLink() {
  write(pendingLink, '1');
}

/** takePendingLink reports whether the linking is to be offered, and clears the mark. */
export function takePendingLink() {
  const pending = read(pendingLink) !== null;
  write(pendingLink, null);
  return pending;
}
