// Speech: its waveform, computed from the samples, and the one player of the page.
import { el, icon } from './dom.js';
import { formatDuration, t } from './i18n.js';

const peakCount = 120;
const rate = 8000;
const peaks = new Map();
const player = new Audio();
let playing = null;

player.preload = 'none';

async function decode(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`status ${response.status}`);
  const context = new OfflineAudioContext(1, 1, rate);
  const buffer = await context.decodeAudioData(await response.arrayBuffer());
  const samples = buffer.getChannelData(0);
  const step = Math.max(1, Math.floor(samples.length / peakCount));
  const list = [];
  for (let at = 0; at + step <= samples.length && list.length < peakCount; at += step) {
    let sum = 0;
    for (let i = at; i < at + step; i += 1) sum += samples[i] * samples[i];
    list.push(Math.sqrt(sum / step));
  }
  const top = Math.max(...list, 0.001);
  return { list: list.map((value) => value / top), seconds: buffer.duration };
}

// waveOf returns {list, seconds}: the loudness over time from 0 to 1. It fails when the browser cannot decode the file.
function waveOf(url) {
  if (!peaks.has(url)) {
    const wave = decode(url);
    wave.catch(() => peaks.delete(url));
    peaks.set(url, wave);
  }
  return peaks.get(url);
}

function draw(canvas, list, part) {
  const scale = Math.min(devicePixelRatio || 1, 2);
  const { clientWidth: width, clientHeight: height } = canvas;
  if (width === 0) return;
  canvas.width = width * scale;
  canvas.height = height * scale;
  const pen = canvas.getContext('2d');
  const style = getComputedStyle(canvas);
  pen.scale(scale, scale);
  const bars = Math.min(list.length, Math.floor(width / 4));
  const gap = width / bars;
  for (let bar = 0; bar < bars; bar += 1) {
    const from = Math.floor((bar * list.length) / bars);
    const to = Math.max(from + 1, Math.floor(((bar + 1) * list.length) / bars));
    const value = Math.max(...list.slice(from, to));
    const tall = Math.max(2, value * height * 0.94);
    pen.fillStyle = (bar + 0.5) / bars <= part ? style.getPropertyValue('--accent') : style.color;
    pen.fillRect(bar * gap, (height - tall) / 2, Math.max(1.5, gap * 0.55), tall);
  }
}

function clock(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}

// watch loads a waveform once it is near the screen.
const watcher = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    watcher.unobserve(target);
    target.dispatchEvent(new Event('near'));
  }
}, { rootMargin: '300px' });

/** stopSound stops what is playing. */
export function stopSound() {
  player.pause();
}

/**
 * soundBox returns a play button with the waveform of a file, which also is the slider of the position. label names the
 * speech for screen readers.
 */
export function soundBox(media, label) {
  if (player.canPlayType(media.content_type) === '') {
    return el('p', { class: 'state', text: t('result.unplayable', { type: media.content_type }) });
  }
  const canvas = el('canvas', { class: 'wave', 'aria-hidden': 'true' });
  const time = el('span', { class: 'sound-time' });
  const button = el('button', { type: 'button', class: 'play', 'aria-label': t('sound.play', { text: label }) }, icon('play'));
  const slider = el('input', { type: 'range', class: 'seek', min: 0, max: 1000, value: 0, 'aria-label': t('sound.position') });
  const box = el('div', { class: 'sound' }, button, el('div', { class: 'wave-box' }, canvas, slider), time);
  let wave = { list: new Array(peakCount).fill(0.08), seconds: 0 };
  const own = { show(part, now, active) {
    draw(canvas, wave.list, part);
    slider.value = String(Math.round(part * 1000));
    slider.setAttribute('aria-valuetext', formatDuration(now));
    time.textContent = clock(part > 0 ? now : wave.seconds);
    button.replaceChildren(icon(active ? 'pause' : 'play'));
    button.setAttribute('aria-label', t(active ? 'sound.pause' : 'sound.play', { text: label }));
  } };
  const rest = () => own.show(playing === own && player.duration ? player.currentTime / player.duration : 0, player.currentTime, playing === own && !player.paused);
  canvas.addEventListener('near', async () => {
    rest();
    try {
      wave = await waveOf(media.url);
    } catch {
      // Some browsers play formats that they cannot decode; then the line stays flat.
    }
    rest();
  });
  new ResizeObserver(rest).observe(canvas);
  watcher.observe(canvas);
  const start = (part) => {
    if (playing !== own) {
      player.pause();
      const before = playing;
      playing = own;
      before?.show(0, 0, false);
      player.src = media.url;
    }
    if (part !== undefined) {
      const seconds = player.duration || wave.seconds;
      if (seconds) player.currentTime = part * seconds;
    }
    player.play().catch(() => rest());
  };
  button.addEventListener('click', (event) => {
    event.preventDefault();
    if (playing === own && !player.paused) player.pause();
    else start();
  });
  slider.addEventListener('change', () => start(Number(slider.value) / 1000));
  return box;
}

let frame = 0;
function follow() {
  cancelAnimationFrame(frame);
  if (!playing) return;
  const part = player.duration ? player.currentTime / player.duration : 0;
  playing.show(player.ended ? 0 : part, player.currentTime, !player.paused);
  if (!player.paused) frame = requestAnimationFrame(follow);
}
for (const type of ['play', 'pause', 'ended', 'seeked']) player.addEventListener(type, follow);
