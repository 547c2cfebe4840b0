// Says in words what a job is, how it stands and what it was made with.
import { serverNow } from './api.js';
import { imageModel, shapeOf, speechModel } from './catalogue.js';
import { voiceName } from './choices.js';
import { formatDuration, formatNumber, hasMessage, language, t } from './i18n.js';
import { isEnded } from './jobs.js';
import { isUnsent } from './outbox.js';

/** textOf returns the prompt or the text of a job. */
export const textOf = (job) => job.input.prompt ?? job.input.text ?? '';

/** failureSentence says in the current language why something failed and, for a missed deadline, what had delayed the job. */
export function failureSentence(error) {
  const key = `failure.${error.code}`;
  const cause = `failure.${error.cause}`;
  if (!hasMessage(key)) return error.message;
  return hasMessage(cause) ? t('result.with_cause', { failure: t(key), cause: t(cause) }) : t(key);
}

/** heldText says why a job is held up. */
function heldText(job) {
  if (job.waiting_reason === 'paused_by_operator') return t('progress.paused');
  if (job.waiting_reason === 'upstream_misconfigured') return t('progress.misconfigured');
  return t('progress.held');
}

/** retryText says when the next attempt starts. */
function retryText(job) {
  const wait = (Date.parse(job.next_attempt_at ?? '') - serverNow()) / 1000;
  return wait >= 1 ? t('progress.retry_in', { time: formatDuration(wait) }) : t('progress.retry_soon');
}

// Making it costs more than using it a hundred times.
const ordinals = new Intl.PluralRules('en', { type: 'ordinal' });

// place says which place in line a job has.
function place(position) {
  if (position === undefined) return t('progress.waiting');
  if (position === 0) return t('progress.next');
  if (language() !== 'en') return t('progress.place', { n: formatNumber(position + 1) });
  const ending = { one: 'st', two: 'nd', few: 'rd', other: 'th' }[ordinals.select(position + 1)];
  return t('progress.place', { n: formatNumber(position + 1) + ending });
}

/** countText says how many jobs of a batch are ready and how many are not. */
export function countText({ count, left, done, failed }) {
  const ready = left > 0 || failed > 0 ? t('batch.ready', { n: formatNumber(done), count: formatNumber(count) }) : t('batch.all', { count: formatNumber(count) });
  return failed > 0 ? t('batch.with_failed', { ready, n: formatNumber(failed) }) : ready;
}

/** pendingText describes an unfinished job in one line; age is the number of seconds since its last update. */
export function pendingText(job, age) {
  if (isUnsent(job)) return t('progress.unsent');
  if (job.waiting_reason === 'identical_job') return t('progress.identical');
  if (job.long && !job.waiting_for) return t('progress.parts', { n: formatNumber(job.long.done), count: formatNumber(job.long.count) });
  if (job.batch) return countText(job.batch);
  const left = (job.eta_seconds ?? 0) - age;
  const eta = left >= 1 ? t('progress.eta', { time: formatDuration(left) }) : '';
  if (job.status === 'queued') {
    if (job.waiting_for) return `${heldText(job)} ${retryText(job)}`;
    return [place(job.queue_position), eta].filter(Boolean).join(', ');
  }
  if (job.status === 'retrying') {
    const reason = job.waiting_for ? heldText(job) : job.last_error ? failureSentence(job.last_error) : t('progress.failed', { n: formatNumber(job.attempt) });
    return `${reason} ${retryText(job)}`;
  }
  const attempt = job.attempt > 1 ? t('progress.attempt', { n: formatNumber(job.attempt) }) : '';
  const since = (serverNow() - Date.parse(job.started_at ?? '')) / 1000;
  const elapsed = !eta && since >= 3 ? t('progress.elapsed', { time: formatDuration(since) }) : '';
  return [t(`stage.${job.stage ?? 'generating'}`), eta, elapsed, attempt].filter(Boolean).join(', ');
}

/** tookText says how long a finished job took, or nothing. */
export function tookText(job) {
  if (!job.started_at || !job.finished_at) return '';
  return t('progress.took', { time: formatDuration((Date.parse(job.finished_at) - Date.parse(job.started_at)) / 1000) });
}

/** recipe returns what a result was made with as [name, text] pairs; index is that of the image. */
export function recipe(job, index) {
  const input = job.input;
  const media = job.result?.media.find((file) => file.index === index);
  const width = media?.width ?? input.width;
  const height = media?.height ?? input.height;
  const shape = width && shapeOf(width, height);
  const seed = media?.seed ?? (input.seed === undefined ? undefined : input.seed + index);
  const isImage = job.kind === 'image';
  const model = isImage ? imageModel(input.model).title : job.kind === 'audio' ? speechModel(input.model)?.title ?? input.model : '';
  return [
    isImage && width && ['shape', shape ? `${shape.ratio} · ${width} × ${height}` : `${width} × ${height}`],
    model && ['model', model],
    job.kind === 'audio' && input.voice && ['voice', voiceName(input.voice)],
    input.speed !== undefined && input.speed !== 1 && ['speed', `${formatNumber(input.speed)}×`],
    input.format && ['format', input.format.toUpperCase()],
    input.reference_images && ['references', t('chip.references', { n: formatNumber(input.reference_images.length) })],
    isImage && seed !== undefined && ['seed', t('chip.seed', { seed })],
    input.negative && ['negative', t('chip.negative', { negative: input.negative })],
    input.quality && ['quality', t('chip.quality', { quality: t(`quality.${input.quality}`) })],
    input.transparent && ['transparent', t('chip.transparent')],
    input.optimize && ['optimize', t('chip.optimize')],
    (media?.upstream ?? job.result?.upstream) && ['upstream', t('chip.upstream', { name: media?.upstream ?? job.result.upstream })],
  ].filter((part) => part && part[1]);
}

/** statusOf returns the status of a job as a person sees it: a set with missing images is not simply done. */
export function statusOf(job) {
  if (isUnsent(job)) return 'unsent';
  if (job.status === 'succeeded' && (job.result?.missing?.length > 0 || job.batch?.failed > 0)) return 'partial';
  return isEnded(job) ? job.status : 'active';
}
