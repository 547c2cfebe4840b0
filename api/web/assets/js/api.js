// The API client. Every failure is thrown as a Problem.
import { formatDuration, language, t } from './i18n.js';

/** Problem is an error response of the API, or a network failure (status 0). */
export class Problem extends Error {
  constructor(status, body = {}, retryAfter = 0) {
    super(body.detail ?? body.error ?? (status === 0 ? t('error.network') : t('error.server', { status })));
    // The server's sentences are in the language of the request, so they cannot be shown in another one later.
    this.local = body.detail === undefined && body.error === undefined;
    this.status = status;
    this.code = body.code ?? '';
    this.errors = Array.isArray(body.errors) ? body.errors : [];
    this.requestId = body.request_id ?? '';
    this.job = body.job ?? null;
    this.lines = Array.isArray(body.lines) ? body.lines : [];
    this.retryAfter = retryAfter;
  }

  /** sentence is the message to show. */
  get sentence() {
    return this.sentenceIn(this.retryAfter);
  }

  /** sentenceIn is the message when the request may be retried in the given number of seconds. */
  sentenceIn(seconds) {
    if (seconds > 0) return t('error.later', { detail: this.message, time: formatDuration(seconds) });
    if (this.status >= 500 && this.requestId) return t('error.request', { detail: this.message, id: this.requestId });
    return this.message;
  }
}

// clockOffset is how far the server's clock is ahead of this machine's, in milliseconds.
let clockOffset = 0;

/** serverNow estimates the server's current time. */
export function serverNow() {
  return Date.now() + clockOffset;
}

function syncClock(response) {
  const date = Date.parse(response.headers.get('Date') ?? '');
  // The header has a resolution of one second, so smaller differences are noise.
  if (!Number.isNaN(date)) clockOffset = Math.abs(date - Date.now()) > 2000 ? date - Date.now() : 0;
}

async function call(method, path, { body, headers = {}, keepalive = false, cache = 'no-store' } = {}) {
  const request = { method, keepalive, headers: { 'Accept-Language': language(), ...headers }, cache };
  if (body !== undefined) {
    request.body = JSON.stringify(body);
    request.headers['Content-Type'] = 'application/json';
  }
  let response;
  try {
    response = await fetch(path, request);
  } catch {
    throw new Problem(0);
  }
  syncClock(response);
  const text = await response.text().catch(() => '');
  let data = null;
  try {
    data = text === '' ? null : JSON.parse(text);
  } catch {
    // Not JSON, such as the error page of a proxy; the status is enough.
  }
  if (data?.code === 'invalid_token') dispatchEvent(new Event('signed-out'));
  if (!response.ok) throw new Problem(response.status, data ?? {}, Number(response.headers.get('Retry-After')) || 0);
  if (data === null && response.status !== 204) throw new Problem(0);
  return data;
}

/** submit creates a job; submitting again with the same key returns the same job. */
export const submit = (request, key) => call('POST', '/api/jobs', { body: request, headers: { 'Idempotency-Key': key } });

/** submitBatch creates many jobs at once, or none; readBatch returns a batch with a page of its jobs. */
export const submitBatch = (jobs, key) => call('POST', '/api/batches', { body: { jobs }, headers: { 'Idempotency-Key': key } });
export const readBatch = (id, query) => call('GET', `/api/batches/${encodeURIComponent(id)}?${new URLSearchParams(query)}`);

/** list returns a page of the caller's jobs. A list in the query is a parameter that is repeated. */
export function list(query) {
  const pairs = Object.entries(query).flatMap(([name, value]) => [value].flat().map((one) => [name, one]));
  return call('GET', `/api/jobs?${new URLSearchParams(pairs)}`);
}

/** read returns the job at a URL. */
export const read = (url) => call('GET', url);

/** cancel cancels a job or a batch and returns it. */
export const cancel = (job) => call('POST', job.links.cancel);

/** retry creates a new job or batch from what failed or was canceled. */
export const retry = (job, key) => call('POST', job.links.retry ?? `${job.links.self}/retry`, { headers: { 'Idempotency-Key': key } });

/** remove deletes a finished job, even if the page is closed meanwhile. */
export const remove = (job) => call('DELETE', job.links.self, { keepalive: true });

/** models returns the models, voices, prices and limits. */
export const models = () => call('GET', '/api/models', { cache: 'default' });

/** whoami returns the signed-in user; it fails with status 401 when there is none. */
export const whoami = () => call('GET', '/api/auth/validate');

/** providers returns the ways to sign in other than a password. */
export const providers = () => call('GET', '/api/auth/providers');

/** auth submits an account form. */
export const auth = (route, body) => call('POST', `/api/auth/${route}`, { body });

/** quota returns the caller's remaining quotas. */
export const quota = () => call('GET', '/api/quota');

/** sendFeedback submits a member's feedback; myFeedback lists it with its status. */
export const sendFeedback = (body) => call('POST', '/api/feedback', { body });
export const myFeedback = () => call('GET', '/api/feedback/my');

/** allFeedback returns a page of all members' feedback; query is a URLSearchParams. */
export const allFeedback = (key, query) => call('GET', `/api/admin/feedback?${query}`, { headers: { 'X-Admin-Key': key } });

/** markFeedback sets the status of feedback; deleteFeedback deletes it. */
export const markFeedback = (key, id, status) => call('POST', `/api/admin/feedback/${encodeURIComponent(id)}/${status}`, { headers: { 'X-Admin-Key': key } });
export const deleteFeedback = (key, id) => call('DELETE', `/api/admin/feedback/${encodeURIComponent(id)}`, { headers: { 'X-Admin-Key': key } });

/** saved returns the images that the member saved today and yesterday. */
export const saved = () => call('GET', '/api/images/daily');

/** save saves an image of a finished job; saving one again changes nothing. */
export const save = (job, index) => call('POST', '/api/images/save', { body: { job_id: job.id, index } });

/** unsave deletes a saved image. */
export const unsave = (id) => call('DELETE', `/api/images/${id}`);

/** listKeys returns the member's API keys; createKey creates one, and is the only one to return it; revokeKey revokes one. */
export const listKeys = () => call('GET', '/api/keys');
export const createKey = (body) => call('POST', '/api/keys', { body });
export const revokeKey = (id) => call('DELETE', `/api/keys/${id}`);

/** readUsage returns what the member's work has cost. */
export const readUsage = (query) => call('GET', `/api/usage?${new URLSearchParams(query)}`);

/** setBudget limits what the member's work may cost. */
export const setBudget = (body) => call('PUT', '/api/usage/budget', { body });

/** webhooks calls a route of the member's webhooks. */
export const webhooks = (method, path = '', body = undefined) => call(method, `/api/webhooks${path}`, { body });

/** admin calls a route of the operator with the operator's key. */
export const admin = (key, method, path, body) => call(method, `/api/admin/${path}`, { body, headers: { 'X-Admin-Key': key } });

/** newKey returns a random idempotency key. crypto.randomUUID does not exist on pages served without TLS. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
