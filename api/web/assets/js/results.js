// Renders the results of a job: images, audio, texts and prompts.
import { el } from './dom.js';
import { formatNumber, hasMessage, t } from './i18n.js';

/** textOf returns the prompt or the text of a job. */
export const textOf = (job) => job.input.prompt ?? job.input.text ?? '';

/** failureSentence says in the current language why something failed and, for a missed deadline, what had delayed the job. */
export function failureSentence(error) {
  const key = `failure.${error.code}`;
  const cause = `failure.${error.cause}`;
  if (!hasMessage(key)) return error.message;
  return hasMessage(cause) ? t('result.with_cause', { failure: t(key), cause: t(cause) }) : t(key);
}

/** fileSize formats a number of bytes. */
export function fileSize(bytes) {
  if (bytes < 1000) return `${formatNumber(bytes)} B`;
  if (bytes < 1e6) return `${formatNumber(Math.round(bytes / 1000))} kB`;
  return `${formatNumber(Math.round(bytes / 1e5) / 10)} MB`;
}

/** downloads returns a download link for each file. */
export function downloads(media) {
  return media.map((file, index) => el('a', {
    class: 'button quiet', href: `${file.url}?download=1`, download: '',
    text: media.length === 1 ? t('action.download') : t('action.download.numbered', { n: index + 1 }),
  }));
}

/** images returns the images of a job; open is called with the index of the selected one. */
export function images(job, open) {
  const media = job.result.media;
  return el('div', { class: `images of-${Math.min(media.length, 4)}` }, ...media.map((file, index) => {
    const n = index + 1;
    const alt = media.length === 1 ? textOf(job) : t('result.alt', { prompt: textOf(job), n, count: media.length });
    const image = el('img', { src: file.url, alt, width: file.width, height: file.height, loading: 'lazy', decoding: 'async' });
    const button = el('button', { type: 'button', class: 'image', 'aria-label': t('result.open', { n, prompt: textOf(job) }), on: { click: () => open(index) } }, image);
    image.addEventListener('error', () => button.replaceWith(el('p', { class: 'quiet-text', text: t('result.expired') })));
    return button;
  }));
}

/** audioPlayer returns a player, or a note when the browser cannot play this type. */
export function audioPlayer(job) {
  const media = job.result.media[0];
  const player = el('audio', { controls: true, preload: 'metadata', src: media.url, 'aria-label': t('result.audio', { text: textOf(job) }) });
  if (player.canPlayType(media.content_type) === '') {
    return el('p', { class: 'quiet-text', text: t('result.unplayable', { type: media.content_type }) });
  }
  return player;
}

/** textBox returns titled texts in one box; parts are [title, text], and the last one gets a copy button. */
export function textBox(...parts) {
  return el('div', { class: 'texts' }, ...parts.flatMap(([title, text], index) => [
    el('div', { class: 'text-head' }, el('h4', { text: title }), index === parts.length - 1 ? copyButton(text) : null),
    el('p', { text }),
  ]));
}

function copyButton(text) {
  const button = el('button', { type: 'button', class: 'quiet small', text: t('action.copy') });
  button.addEventListener('click', async () => {
    const done = await copyText(text);
    button.textContent = t(done ? 'action.copied' : 'action.copy.failed');
    setTimeout(() => { button.textContent = t('action.copy'); }, 2000);
  });
  return button;
}

// copyText also works on pages served without TLS, where navigator.clipboard does not exist.
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const box = el('textarea', { class: 'hidden', 'aria-hidden': 'true' });
    box.value = text;
    document.body.append(box);
    box.select();
    const done = document.execCommand('copy');
    box.remove();
    return done;
  }
}

/** settings returns the settings of a job as short labels. */
export function settings(job) {
  const input = job.input;
  const media = job.result?.media ?? [];
  const seed = media.length === 1 ? media[0].seed ?? input.seed : input.seed;
  return [
    input.model,
    input.width && t('detail.size', { width: input.width, height: input.height }),
    input.n > 1 && t('detail.count', { n: input.n }),
    seed !== undefined && t('detail.seed', { seed }),
    input.optimize && t('detail.optimize'),
    input.voice,
    input.speed !== undefined && t('detail.speed', { speed: formatNumber(input.speed) }),
    input.format && input.format !== 'mp3' && input.format.toUpperCase(),
    input.quality,
    input.negative && t('detail.negative', { negative: input.negative }),
    media.length > 0 && fileSize(media.reduce((sum, file) => sum + file.bytes, 0)),
  ].filter(Boolean);
}
