// What could not be sent yet, because there was no connection. It is kept in the browser, and sent under the same key until the server
// has answered, so that it never becomes two jobs.
import * as api from './api.js';
import { readList, write } from './storage.js';

const storeKey = 'outbox';

/** isUnsent reports whether a job is only in this browser: it could not be sent yet. */
export const isUnsent = (job) => job.status === 'unsent';

const idOf = (key) => `unsent-${key}`;

function jobOf({ key, request, created_at: createdAt }) {
  return { id: idOf(key), key, kind: request.kind, status: 'unsent', input: request.input, attempt: 0, created_at: createdAt, links: {} };
}

/** Outbox holds the unsent jobs. drop is told the id of each that leaves it. */
export class Outbox {
  #drop;
  #flushing = false;

  constructor({ drop }) {
    this.#drop = drop;
  }

  /** keeps reports whether a change of a key of the browser's storage may have changed it. */
  keeps(key) {
    return key === null || key === storeKey;
  }

  /** jobs returns what is in it. */
  jobs() {
    return readList(storeKey).filter((entry) => entry?.key && entry.request?.input).map(jobOf);
  }

  /** add keeps a request, and returns it as an unsent job. */
  add(request, key) {
    const entry = { key, request, created_at: new Date(api.serverNow()).toISOString() };
    write(storeKey, JSON.stringify([...readList(storeKey).filter((other) => other.key !== key), entry]));
    return jobOf(entry);
  }

  /** remove removes a request. */
  remove(key) {
    write(storeKey, JSON.stringify(readList(storeKey).filter((entry) => entry.key !== key)));
    this.#drop(idOf(key));
  }

  /** flush sends everything, and calls sent with the key and the job of each request, or refused with the problem and the request. */
  async flush({ sent, refused }) {
    if (this.#flushing) return;
    this.#flushing = true;
    try {
      for (const { key, request } of readList(storeKey)) {
        try {
          const job = await api.submit(request, key);
          this.remove(key);
          sent({ key, job });
        } catch (problem) {
          if (!(problem instanceof api.Problem)) throw problem;
          if (problem.status === 0 || problem.status >= 500 || problem.status === 429) return;
          this.remove(key);
          refused({ problem, request });
        }
      }
    } finally {
      this.#flushing = false;
    }
  }
}
