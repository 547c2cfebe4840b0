// Sign-in with Google. The redirects happen in this window, never in a popup.
import { providers } from './api.js';
import { byId } from './dom.js';
import { hasMessage, t } from './i18n.js';

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
