// Says what is left of the caller's quota before it runs out.
import { Problem, quota } from './api.js';
import { formatClock, t } from './i18n.js';
import { isEnded } from './jobs.js';
import { read, write } from './storage.js';

const key = 'quota';
const interactions = ['pointermove', 'pointerdown', 'keydown', 'scroll'];

const changeDelay = 300;
const minDelay = 1000;
const maxDelay = 3600000;
const retryDelay = 30000;

/** forgetQuota drops what is stored: the next caller is another one. */
export const forgetQuota = () => write(key, null);

/** Quota knows what is left of today's quota, if it is limited. It dispatches "change". */
export class Quota extends EventTarget {
  #quota = null;
  #timer = 0;
  #onLane;

  /** onLane is called with the lane that the server counts the caller in: guest or member. */
  constructor(jobs, onLane) {
    super();
    this.#onLane = onLane;
    // New work uses quota, and what failed may return it.
    jobs.addEventListener('changes', ({ detail }) => {
      if (detail.some(({ job, before }) => (before ? isEnded(job) : !isEnded(job)))) this.readSoon();
    });
  }

  /**
   * start shows what was left when the page was last open, until somebody uses it. Loading the page again then costs no
   * request; it is read at once if nothing is known or the quota has been reset since.
   */
  start() {
    try {
      this.#quota = JSON.parse(read(key));
    } catch {
      // Another version's.
    }
    const window = this.#window();
    if (!this.#quota || (window && !(Date.parse(window.resets_at) > Date.now()))) {
      this.read();
      return;
    }
    this.dispatchEvent(new Event('change'));
    const used = () => {
      for (const type of interactions) removeEventListener(type, used);
      this.read();
    };
    for (const type of interactions) addEventListener(type, used, { passive: true });
  }

  /** read asks the server. Nothing is shown when the request fails. */
  async read() {
    try {
      this.#quota = await quota();
      write(key, JSON.stringify(this.#quota));
      this.#onLane(this.#quota.lane);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.#quota = null;
      this.#readAfter(retryDelay);
    }
    this.dispatchEvent(new Event('change'));
    // All windows reset at the same time.
    const window = this.#window();
    if (window) this.#readAfter(Math.min(Math.max(window.resets_in * 1000, minDelay), maxDelay));
  }

  /** readSoon asks again: another device or someone else at this network address may have used up the rest. */
  readSoon() {
    this.#readAfter(changeDelay);
  }

  /** left is how many pictures or speech files are left today. */
  get left() {
    return this.#window()?.remaining ?? Infinity;
  }

  /** sentence says what is left in the current language: of the caller's quota or the network address's, whichever is less. */
  sentence() {
    const window = this.#window();
    if (!window) return '';
    const left = window.remaining > 0 ? 'left' : 'none';
    return t(`quota.${window.name}.${left}`, { left: window.remaining, limit: window.limit, time: formatClock(new Date(window.resets_at)) });
  }

  #window() {
    const windows = ['day', 'address'].filter((name) => this.#quota?.[name]).map((name) => ({ name, ...this.#quota[name] }));
    return windows.length === 0 ? null : windows.reduce((a, b) => (b.remaining < a.remaining ? b : a));
  }

  #readAfter(delay) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.read(), delay);
  }
}
