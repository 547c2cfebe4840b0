// What is left of the caller's quota, said before it matters.
import { Problem, quota } from './api.js';
import { byId } from './dom.js';
import { duration, t } from './i18n.js';
import { isEnded } from './jobs.js';

const soon = 300;
const shortest = 1000;
const longest = 3600000;
const again = 30000;

/** Quota shows what is left of the day, where there is a limit. */
export class Quota {
  #line = byId('quota');
  #day = null;
  #timer = 0;
  #lane;

  /** lane is called with whom the server counts: a guest or a member. */
  constructor(jobs, lane) {
    this.#lane = lane;
    // A new job takes something, and one that fails may give it back.
    jobs.addEventListener('change', ({ detail: { job, before } }) => {
      if (before ? isEnded(job) : !isEnded(job)) this.#later(soon);
    });
    // Somebody else at this address, or another device, may have taken what was left.
    jobs.addEventListener('refused', () => this.#later(soon));
  }

  /** read asks the server. What it cannot tell is not shown. */
  async read() {
    try {
      const answer = await quota();
      this.#day = answer.day;
      this.#lane(answer.lane);
    } catch (trouble) {
      if (!(trouble instanceof Problem)) throw trouble;
      this.#day = null;
      this.#later(again);
    }
    this.show();
    if (this.#day) this.#later(Math.min(Math.max(this.#day.resets_in * 1000, shortest), longest));
  }

  /** show writes the line in the language in use. */
  show() {
    this.#line.hidden = this.#day === null;
    if (this.#day === null) return;
    const { remaining, limit, resets_in: seconds } = this.#day;
    this.#line.textContent = t(remaining > 0 ? 'quota.left' : 'quota.none', { left: remaining, limit, time: duration(seconds) });
  }

  #later(pause) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.read(), pause);
  }
}
