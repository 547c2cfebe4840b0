// What is left of the caller's quotas, said before it matters.
import { Problem, quota } from './api.js';
import { byId } from './dom.js';
import { duration, t } from './i18n.js';
import { isEnded } from './jobs.js';

const soon = 300;
const shortest = 1000;
const longest = 3600000;
const again = 30000;

// Prompts and translations are counted apart from images and audio.
const texts = ['prompt', 'translation'];

/** Quota shows what is left of the day for the chosen kind of job, where there is a limit. */
export class Quota {
  #line = byId('quota');
  #answer = null;
  #kind = 'image';
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
      this.#answer = await quota();
      this.#lane(this.#answer.lane);
    } catch (trouble) {
      if (!(trouble instanceof Problem)) throw trouble;
      this.#answer = null;
      this.#later(again);
    }
    this.show();
    // All days end at once.
    const day = [...this.#days('media'), ...this.#days('text')][0];
    if (day) this.#later(Math.min(Math.max(day.resets_in * 1000, shortest), longest));
  }

  /** choose shows the quota of a kind of job. */
  choose(kind) {
    this.#kind = kind;
    this.show();
  }

  /** show writes the line in the language in use: the caller's own day or, where less is left of it, that of the address. */
  show() {
    const group = texts.includes(this.#kind) ? 'text' : 'media';
    const days = this.#days(group);
    this.#line.hidden = days.length === 0;
    if (days.length === 0) return;
    const { window, remaining, limit, resets_in: seconds } = days.reduce((a, b) => (b.remaining < a.remaining ? b : a));
    const left = remaining > 0 ? 'left' : 'none';
    this.#line.textContent = t(`quota.${group}.${window}.${left}`, { left: remaining, limit, time: duration(seconds) });
  }

  /** #days returns the day windows of a group that are limited. */
  #days(group) {
    const windows = group === 'text' ? this.#answer?.text : this.#answer;
    return ['day', 'address'].filter((window) => windows?.[window]).map((window) => ({ window, ...windows[window] }));
  }

  #later(pause) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.read(), pause);
  }
}
