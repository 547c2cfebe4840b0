// Talking to the API. Everything that goes wrong comes out as a Problem, whatever went wrong.
import { duration, language, t } from './i18n.js';

/** Problem is an error of the API, or of the way to it (status 0). */
export class Problem extends Error {
  constructor(status, body = {}, retryAfter = 0) {
    super(body.detail ?? body.error ?? (status === 0 ? t('error.network') : t('error.server', { status })));
    this.status = status;
    this.code = body.code ?? '';
    this.errors = Array.isArray(body.errors) ? body.errors : [];
    this.requestId = body.request_id ?? '';
    this.job = body.job ?? null;
    this.retryAfter = retryAfter;
  }

  /** sentence says what went wrong, for a person. */
  get sentence() {
    return this.sentenceIn(this.retryAfter);
  }

  /** sentenceIn is the sentence with so many seconds left until another try. */
  sentenceIn(seconds) {
    if (seconds > 0) return t('error.later', { detail: this.message, time: duration(seconds) });
    if (this.status >= 500 && this.requestId) return t('error.request', { detail: this.message, id: this.requestId });
    return this.message;
  }
}

// skew is how far the server's clock is ahead of this machine's, in milliseconds.
let skew = 0;

/** serverNow is the server's time, as far as it is known here. */
export function serverNow() {
  return Date.now() + skew;
}

function readClock(response) {
  const date = Date.parse(response.headers.get('Date') ?? '');
  // The header has whole seconds; a smaller difference means nothing.
  if (!Number.isNaN(date)) skew = Math.abs(date - Date.now()) > 2000 ? date - Date.now() : 0;
}

async function call(method, path, { body, headers = {}, signal } = {}) {
  const request = { method, signal, headers: { 'Accept-Language': language(), ...headers }, cache: 'no-store' };
  if (body !== undefined) {
    request.body = JSON.stringify(body);
    request.headers['Content-Type'] = 'application/json';
  }
  let response;
  try {
    response = await fetch(path, request);
  } catch (cause) {
    if (cause.name === 'AbortError') throw cause;
    throw new Problem(0);
  }
  readClock(response);
  const text = await response.text().catch(() => '');
  let answer = null;
  try {
    answer = text === '' ? null : JSON.parse(text);
  } catch {
    // A proxy's page; the status says enough.
  }
  if (answer?.code === 'invalid_token') dispatchEvent(new Event('signed-out'));
  if (!response.ok) throw new Problem(response.status, answer ?? {}, Number(response.headers.get('Retry-After')) || 0);
  if (answer === null && response.status !== 204) throw new Problem(0);
  return answer;
}

/** submit makes a job; the same key sent again returns the same job. */
export const submit = (request, key) => call('POST', '/api/jobs', { body: request, headers: { 'Idempotency-Key': key } });

/** list returns a page of the caller's jobs. */
export function list(cursor = '') {
  const query = new URLSearchParams({ limit: '20' });
  if (cursor) query.set('cursor', cursor);
  return call('GET', `/api/jobs?${query}`);
}

/** read returns one job by its address. */
export const read = (address) => call('GET', address);

/** cancel ends a job and returns it. */
export const cancel = (job) => call('POST', job.links.cancel);

/** retry makes a new job like one that failed or was canceled. */
export const retry = (job, key) => call('POST', `${job.links.self}/retry`, { headers: { 'Idempotency-Key': key } });

/** remove deletes a job that has ended. */
export const remove = (job) => call('DELETE', job.links.self);

/** whoami returns who is signed in; it fails with status 401 when nobody is. */
export const whoami = () => call('GET', '/api/auth/validate');

/** providers returns how people can sign in beside a password. */
export const providers = () => call('GET', '/api/auth/providers');

/** auth sends a form of the account. */
export const auth = (route, body) => call('POST', `/api/auth/${route}`, { body });

/** quota returns what may still be asked for. */
export const quota = () => call('GET', '/api/quota');

/** giveFeedback sends a member's feedback, and myFeedback returns what became of it. */
export const giveFeedback = (body) => call('POST', '/api/feedback', { body });
export const myFeedback = () => call('GET', '/api/feedback/my');

/** allFeedback returns a page of everybody's feedback; query is a URLSearchParams. */
export const allFeedback = (key, query) => call('GET', `/api/admin/feedback?${query}`, { headers: { 'X-Admin-Key': key } });

/** markFeedback gives feedback a status, and dropFeedback deletes it. */
export const markFeedback = (key, id, status) => call('POST', `/api/admin/feedback/${encodeURIComponent(id)}/${status}`, { headers: { 'X-Admin-Key': key } });
export const dropFeedback = (key, id) => call('DELETE', `/api/admin/feedback/${encodeURIComponent(id)}`, { headers: { 'X-Admin-Key': key } });

/** saved returns the pictures that the member has saved today, and those of the day before. */
export const saved = () => call('GET', '/api/images/daily');

/** save keeps a picture of a job that has ended; one that is kept already stays as it is. */
export const save = (job, index) => call('POST', '/api/images/save', { body: { job_id: job.id, index } });

/** unsave deletes a saved picture. */
export const unsave = (id) => call('DELETE', `/api/images/${id}`);

/** newKey returns a random idempotency key. randomUUID is missing on pages that are served without TLS. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
