// Signing in with Google. The way there and back leads through this window, never through another one, and the code that
// comes back leaves the address at once.
import { providers } from './api.js';
import { byId } from './dom.js';
import { known, t } from './i18n.js';
import { read, write } from './storage.js';

const back = '/auth/google/callback';
// Somebody was asked to sign in with a password first, in order to link Google.
const wanted = 'google_link';

/** takeReturn returns what Google has sent somebody back with, {code, state} or {error}, or null when nobody comes from there. */
export function takeReturn() {
  const query = new URLSearchParams(location.search);
  const isAnswer = query.has('state') && (query.has('code') || query.has('error'));
  if (location.pathname !== back && !isAnswer) return null;
  history.replaceState(null, '', '/');
  if (query.has('code')) return { code: query.get('code'), state: query.get('state') ?? '' };
  return { error: query.get('error') ?? '' };
}

/** sentenceOf says why somebody came back from Google with nothing. */
export function sentenceOf(error) {
  return known(`google.${error}`) ? t(`google.${error}`) : t('google.failed');
}

// Only the page at the origin to which Google sends people back can finish a sign-in: the cookie of the attempt is there.
function leadsBack({ providers, returnOrigins }) {
  return providers.google && URL.canParse(returnOrigins?.google) && new URL(returnOrigins.google).origin === location.origin;
}

/** offer shows what the page has about Google to whom it is of use: nobody, while a sign-in would not lead back here. */
export async function offer(user) {
  let enabled = false;
  try {
    enabled = leadsBack(await providers());
  } catch {
    // Without an answer there is no button; a password does as well.
  }
  for (const part of document.querySelectorAll('[data-google]')) part.hidden = !enabled;
  byId('google').hidden = !user || (!enabled && !user.hasGoogle);
  byId('google-connect').hidden = !enabled || !user || user.hasGoogle;
  byId('unlink-form').hidden = !user?.hasGoogle || !user.hasPassword;
  byId('google-only').hidden = !user?.hasGoogle || user.hasPassword;
  byId('google-linked').hidden = !user?.hasGoogle;
  byId('delete-again').hidden = !enabled || !user?.hasGoogle || user.hasPassword;
}

/** rememberLink has the page ask for the link once somebody has signed in. */
export function rememberLink() {
  write(wanted, '1');
}

/** linkWanted reports, once, whether that is to be asked for. */
export function linkWanted() {
  const is = read(wanted) !== null;
  write(wanted, null);
  return is;
}
