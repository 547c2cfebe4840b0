// The banner for members who have not confirmed their email address.
import { Problem, auth } from './api.js';
import { byId } from './dom.js';

const banner = byId('unverified');
const message = byId('unverified-message');
const resend = byId('unverified-resend');

/** showUnverified shows the banner if the user has not confirmed their address; user is null for guests. */
export function showUnverified(user) {
  banner.hidden = !user || user.emailVerified !== false;
}

resend.addEventListener('click', async () => {
  if (resend.getAttribute('aria-disabled') === 'true') return;
  resend.setAttribute('aria-disabled', 'true');
  try {
    const answer = await auth('resend-verification');
    message.textContent = answer.message;
    if (answer.user.emailVerified) showUnverified(answer.user);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    message.textContent = error.sentence;
  } finally {
    resend.setAttribute('aria-disabled', 'false');
  }
});
