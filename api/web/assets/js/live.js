// Keeping the jobs fresh: one event stream for all of them, and polling while there is none.
import { Problem } from './api.js';

const statuses = ['queued', 'running', 'retrying', 'succeeded', 'failed', 'canceled'];
const pollSoon = 1000;
const pollActive = 3000;
const pollIdle = 15000;
const reopenFirst = 2000;
const reopenLast = 60000;

/** Live feeds a Jobs. It calls onState with "connecting", "live", "polling" or "offline". */
export class Live {
  #jobs;
  #onState;
  #onTrouble;
  #source = null;
  #reopen = reopenFirst;
  #timer = 0;
  #unreachable = false;
  #state = '';

  constructor(jobs, onState, onTrouble) {
    this.#jobs = jobs;
    this.#onState = onState;
    this.#onTrouble = onTrouble;
  }

  /** start reads the jobs and opens the stream. */
  start() {
    this.#say('connecting');
    this.#refresh().then(() => this.#open());
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden) this.#refresh();
    });
    addEventListener('online', () => this.#refresh());
    // A new job shall not wait for the next slow look.
    this.#jobs.addEventListener('change', ({ detail }) => {
      if (detail.before || this.#timer === 0) return;
      clearTimeout(this.#timer);
      this.#timer = 0;
      this.#poll(pollSoon);
    });
    addEventListener('offline', () => this.#say('offline'));
  }

  #open() {
    if (this.#jobs.anonymous) {
      this.#poll(pollActive);
      return;
    }
    const source = new EventSource('/api/events');
    this.#source = source;
    source.addEventListener('open', () => {
      const resumed = this.#reopen !== reopenFirst || this.#state === 'polling' || this.#state === 'offline';
      this.#reopen = reopenFirst;
      clearTimeout(this.#timer);
      this.#timer = 0;
      this.#say('live');
      // What ended while nobody listened may be older than what the stream brings again.
      if (resumed) this.#refresh();
    });
    source.addEventListener('error', () => {
      this.#poll(pollSoon);
      // The browser comes back by itself unless the server refused the stream.
      if (source.readyState !== EventSource.CLOSED || this.#source !== source) return;
      this.#source = null;
      setTimeout(() => this.#open(), this.#reopen);
      this.#reopen = Math.min(this.#reopen * 2, reopenLast);
    });
    for (const status of statuses) {
      source.addEventListener(status, (event) => this.#jobs.put(JSON.parse(event.data)));
    }
  }

  #poll(pause) {
    this.#say(this.#unreachable || !navigator.onLine ? 'offline' : 'polling');
    // The stream tells of every attempt to come back; one timer is enough.
    if (this.#timer !== 0) return;
    this.#timer = setTimeout(async () => {
      await this.#refresh();
      this.#timer = 0;
      if (this.#source?.readyState === EventSource.OPEN) return;
      this.#poll(this.#jobs.active().length > 0 && !document.hidden ? pollActive : pollIdle);
    }, pause);
  }

  async #refresh() {
    try {
      await this.#jobs.refresh();
      this.#unreachable = false;
      this.#onTrouble('');
    } catch (trouble) {
      if (!(trouble instanceof Problem)) throw trouble;
      this.#unreachable = trouble.status === 0;
      this.#onTrouble(trouble.sentence);
    }
  }

  #say(state) {
    if (this.#state === state) return;
    this.#state = state;
    this.#onState(state);
  }
}
