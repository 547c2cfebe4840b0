// Shows what is left of the caller's quota before it runs out.
import { Problem, quota } from './api.js';
import { byId } from './dom.js';
import { formatDuration, t } from './i18n.js';
import { isEnded } from './jobs.js';

const changeDelay = 300;
const minDelay = 1000;
const maxDelay = 3600000;
const retryDelay = 30000;

// Prompts and translations have a quota of their own.
const texts = ['prompt', 'translation'];

/** Quota shows what is left of today's quota for the selected kind of job, if it is limited. */
export class Quota {
  #line = byId('quota');
  #quota = null;
  #kind = 'image';
  #timer = 0;
  #onLane;

  /** onLane is called with the lane that the server counts the caller in: guest or member. */
  constructor(jobs, onLane) {
    this.#onLane = onLane;
    // A new job uses quota, and a failed one may return it.
    jobs.addEventListener('change', ({ detail: { job, before } }) => {
      if (before ? isEnded(job) : !isEnded(job)) this.#readAfter(changeDelay);
    });
    // Another device or someone else at this network address may have used up the rest.
    jobs.addEventListener('refused', () => this.#readAfter(changeDelay));
  }

  /** read asks the server. Nothing is shown when the request fails. */
  async read() {
    try {
      this.#quota = await quota();
      this.#onLane(this.#quota.lane);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.#quota = null;
      this.#readAfter(retryDelay);
    }
    this.show();
    // All windows reset at the same time.
    const day = [...this.#days('media'), ...this.#days('text')][0];
    if (day) this.#readAfter(Math.min(Math.max(day.resets_in * 1000, minDelay), maxDelay));
  }

  /** choose shows the quota for a kind of job. */
  choose(kind) {
    this.#kind = kind;
    this.show();
  }

  /** show renders the line in the current language: the caller's quota or that of the network address, whichever has less left. */
  show() {
    const group = texts.includes(this.#kind) ? 'text' : 'media';
    const days = this.#days(group);
    this.#line.hidden = days.length === 0;
    if (days.length === 0) return;
    const { window, remaining, limit, resets_in: seconds } = days.reduce((a, b) => (b.remaining < a.remaining ? b : a));
    const left = remaining > 0 ? 'left' : 'none';
    this.#line.textContent = t(`quota.${group}.${window}.${left}`, { left: remaining, limit, time: formatDuration(seconds) });
  }

  /** #days returns the limited day windows of a group. */
  #days(group) {
    const windows = group === 'text' ? this.#quota?.text : this.#quota;
    return ['day', 'address'].filter((window) => windows?.[window]).map((window) => ({ window, ...windows[window] }));
  }

  #readAfter(delay) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.read(), delay);
  }
}
