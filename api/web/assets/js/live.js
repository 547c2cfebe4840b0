// Keeping the jobs fresh: one event stream for all of them, and polling while there is none.
import { Problem } from './api.js';

const statuses = ['queued', 'running', 'retrying', 'succeeded', 'failed', 'canceled'];
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
    addEventListener('offline', () => this.#say('offline'));
  }

  #open() {
    if (this.#jobs.anonymous) {
      this.#poll();
      return;
    }
    const source = new EventSource('/api/events');
    this.#source = source;
    source.addEventListener('open', () => {
      const resumed = this.#reopen !== reopenFirst || this.#state === 'polling' || this.#state === 'offline';
      this.#reopen = reopenFirst;
      clearTimeout(this.#timer);
      this.#say('live');
      // What ended while nobody listened may be older than what the stream brings again.
      if (resumed) this.#refresh();
    });
    source.addEventListener('error', () => {
      this.#poll();
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

  #poll() {
    clearTimeout(this.#timer);
    this.#say(navigator.onLine ? 'polling' : 'offline');
    const pause = this.#jobs.active().length > 0 && !document.hidden ? pollActive : pollIdle;
    this.#timer = setTimeout(async () => {
      await this.#refresh();
      if (this.#source?.readyState !== EventSource.OPEN) this.#poll();
    }, pause);
  }

  async #refresh() {
    try {
      await this.#jobs.refresh();
      this.#onTrouble('');
    } catch (trouble) {
      if (!(trouble instanceof Problem)) throw trouble;
      if (trouble.status === 0) this.#say('offline');
      this.#onTrouble(trouble.sentence);
    }
  }

  #say(state) {
    if (this.#state === state) return;
    this.#state = state;
    this.#onState(state);
  }
}
