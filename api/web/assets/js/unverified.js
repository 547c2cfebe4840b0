// The banner for whoever has yet to confirm the e-mail address of the account.
import { Problem, auth } from './api.js';
import { byId } from './dom.js';

const banner = byId('unverified');
const said = byId('unverified-said');
const resend = byId('unverified-resend');

/** showUnverified shows the banner to whoever needs it; user is null for whoever is not signed in. */
export function showUnverified(user) {
  banner.hidden = !user || user.emailVerified !== false;
}

resend.addEventListener('click', async () => {
  if (resend.getAttribute('aria-disabled') === 'true') return;
  resend.setAttribute('aria-disabled', 'true');
  try {
    const answer = await auth('resend-verification');
    said.textContent = answer.message;
    if (answer.user.emailVerified) showUnverified(answer.user);
  } catch (trouble) {
    if (!(trouble instanceof Problem)) throw trouble;
    said.textContent = trouble.sentence;
  } finally {
    resend.setAttribute('aria-disabled', 'false');
  }
});
