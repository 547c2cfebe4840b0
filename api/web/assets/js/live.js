// Keeps the work up to date: one event stream for all tabs of the browser, and polling while there is none. Browsers open
// only six connections to a server over HTTP/1.1; a stream for each tab would use them up.
import { Problem } from './api.js';

const statuses = ['queued', 'running', 'retrying', 'succeeded', 'failed', 'canceled'];
const pollSoon = 1000;
const pollActive = 3000;
const pollIdle = 15000;
const answerTime = 2000;
const reopenFirst = 2000;
const reopenLast = 60000;

/** Live updates a Jobs. It calls onState with "connecting", "live", "polling" or "offline". */
export class Live {
  #jobs;
  #onState;
  #onError;
  #source = null;
  #reopen = reopenFirst;
  #reopenTimer = 0;
  #timer = 0;
  #unreachable = false;
  #state = '';
  #release = null;
  #waiting = null;
  #channel = 'BroadcastChannel' in window ? new BroadcastChannel('events') : null;

  constructor(jobs, onState, onError) {
    this.#jobs = jobs;
    this.#onState = onState;
    this.#onError = onError;
  }

  /** start reads the jobs and opens the stream, or listens to the tab that has it. */
  start() {
    this.#setState('connecting');
    this.#refresh().then(() => this.#join());
    this.#channel?.addEventListener('message', ({ data }) => this.#hear(data));
    document.addEventListener('visibilitychange', () => {
      if (document.hidden) {
        this.#leave();
        return;
      }
      this.#refresh().then(() => this.#join());
    });
    addEventListener('online', () => {
      this.#jobs.flush();
      // A stream may outlive the outage, in this tab or in another; then nothing else says that it works again.
      if (this.#source?.readyState === EventSource.OPEN) {
        this.#connected();
        return;
      }
      this.#refresh();
      this.#channel?.postMessage({ ask: true });
    });
    addEventListener('offline', () => this.#setState('offline'));
    // Do not let a new job wait for the next idle poll.
    this.#jobs.addEventListener('changes', ({ detail }) => {
      if (this.#timer === 0 || detail.every(({ before }) => before)) return;
      clearTimeout(this.#timer);
      this.#timer = 0;
      this.#poll(pollSoon);
    });
  }

  // The tab that holds the lock has the stream. Without locks, as on a page without TLS, each visible tab has its own.
  #join() {
    if (document.hidden || this.#source || this.#release || this.#waiting) return;
    if (this.#jobs.anonymous) {
      this.#poll(pollActive);
      return;
    }
    if (!navigator.locks || !this.#channel) {
      this.#open();
      return;
    }
    const waiting = new AbortController();
    this.#waiting = waiting;
    // If no tab with a stream answers soon, this one polls.
    this.#channel.postMessage({ ask: true });
    setTimeout(() => {
      if (this.#state !== 'live' && !document.hidden) this.#poll(0);
    }, answerTime);
    navigator.locks.request('events', { signal: waiting.signal }, () => new Promise((release) => {
      this.#waiting = null;
      this.#release = release;
      this.#open();
    })).catch(() => {});
  }

  #leave() {
    this.#waiting?.abort();
    this.#waiting = null;
    clearTimeout(this.#reopenTimer);
    this.#source?.close();
    this.#source = null;
    this.#release?.();
    this.#release = null;
  }

  #hear(message) {
    if (message.ask) {
      if (this.#source?.readyState === EventSource.OPEN) this.#channel.postMessage({ live: true });
      return;
    }
    // A hidden tab keeps up too, so that it can say when something has ended.
    if (message.job) this.#jobs.put(message.job);
    if (message.live !== undefined && !document.hidden) {
      if (message.live) this.#connected();
      else this.#poll(pollSoon);
    }
  }

  #connected() {
    const resumed = this.#state === 'polling' || this.#state === 'offline';
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#unreachable = false;
    this.#setState('live');
    // Jobs that finished while disconnected may be older than the events that the stream replays.
    if (resumed) this.#refresh();
  }

  #open() {
    const source = new EventSource('/api/events');
    this.#source = source;
    source.addEventListener('open', () => {
      this.#reopen = reopenFirst;
      this.#connected();
      this.#channel?.postMessage({ live: true });
      this.#jobs.flush();
    });
    source.addEventListener('error', () => {
      if (this.#source !== source) return;
      this.#poll(pollSoon);
      this.#channel?.postMessage({ live: false });
      // The browser reconnects by itself unless the server rejected the stream.
      if (source.readyState !== EventSource.CLOSED) return;
      this.#source = null;
      this.#reopenTimer = setTimeout(() => this.#source ?? this.#open(), this.#reopen);
      this.#reopen = Math.min(this.#reopen * 2, reopenLast);
    });
    for (const status of statuses) {
      source.addEventListener(status, (event) => {
        const job = JSON.parse(event.data);
        this.#jobs.put(job);
        this.#channel?.postMessage({ job });
      });
    }
  }

  #poll(delay) {
    this.#setState(this.#unreachable || !navigator.onLine ? 'offline' : 'polling');
    // Every reconnection attempt fires an error event; one timer is enough.
    if (this.#timer !== 0) return;
    this.#timer = setTimeout(async () => {
      await this.#refresh();
      this.#timer = 0;
      if (this.#state === 'live' || document.hidden) return;
      this.#poll(this.#jobs.active().length > 0 ? pollActive : pollIdle);
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
