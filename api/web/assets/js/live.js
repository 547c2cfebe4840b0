// Keeps the jobs up to date: one event stream for all of them, and polling while the stream is not connected.
import { Problem } from './api.js';

const statuses = ['queued', 'running', 'retrying', 'succeeded', 'failed', 'canceled'];
const pollSoon = 1000;
const pollActive = 3000;
const pollIdle = 15000;
const reopenFirst = 2000;
const reopenLast = 60000;

/** Live updates a Jobs. It calls onState with "connecting", "live", "polling" or "offline". */
export class Live {
  #jobs;
  #onState;
  #onError;
  #source = null;
  #reopen = reopenFirst;
  #timer = 0;
  #unreachable = false;
  #state = '';

  constructor(jobs, onState, onError) {
    this.#jobs = jobs;
    this.#onState = onState;
    this.#onError = onError;
  }

  /** start reads the jobs and opens the stream. */
  start() {
    this.#setState('connecting');
    this.#refresh().then(() => this.#open());
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden) this.#refresh();
    });
    addEventListener('online', () => this.#refresh());
    // Do not let a new job wait for the next idle poll.
    this.#jobs.addEventListener('change', ({ detail }) => {
      if (detail.before || this.#timer === 0) return;
      clearTimeout(this.#timer);
      this.#timer = 0;
      this.#poll(pollSoon);
    });
    addEventListener('offline', () => this.#setState('offline'));
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
      this.#setState('live');
      // Jobs that finished while disconnected may be older than the events the stream replays.
      if (resumed) this.#refresh();
    });
    source.addEventListener('error', () => {
      this.#poll(pollSoon);
      // The browser reconnects by itself unless the server rejected the stream.
      if (source.readyState !== EventSource.CLOSED || this.#source !== source) return;
      this.#source = null;
      setTimeout(() => this.#open(), this.#reopen);
      this.#reopen = Math.min(this.#reopen * 2, reopenLast);
    });
    for (const status of statuses) {
      source.addEventListener(status, (event) => this.#jobs.put(JSON.parse(event.data)));
    }
  }

  #poll(delay) {
    this.#setState(this.#unreachable || !navigator.onLine ? 'offline' : 'polling');
    // Every reconnection attempt fires an error event; one timer is enough.
    if (this.#timer !== 0) return;
    this.#timer = setTimeout(async () => {
      await this.#refresh();
      this.#timer = 0;
      if (this.#source?.readyState === EventSource.OPEN) return;
      this.#poll(this.#jobs.active().length > 0 && !document.hidden ? pollActive : pollIdle);
    }, delay);
  }

  async #refresh() {
    try {
      await this.#jobs.refresh();
      this.#unreachable = false;
      this.#onError('');
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.#unreachable = error.status === 0;
      this.#onError(error.sentence);
    }
  }

  #setState(state) {
    if (this.#state === state) return;
    this.#state = state;
    this.#onState(state);
  }
}
