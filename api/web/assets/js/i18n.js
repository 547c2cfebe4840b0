// The language of the page. Elements name their message in data-i18n, and the messages of attributes in
// data-i18n-placeholder, data-i18n-title and data-i18n-aria-label. Only the table in use is loaded.
import { write } from './storage.js';

const languages = ['en', 'zh'];
const attributes = ['placeholder', 'title', 'aria-label'];
const listeners = new Set();
let table = {};

/** language returns the current language, "en" or "zh". start.js sets the initial one. */
export function language() {
  return languages.includes(document.documentElement.lang) ? document.documentElement.lang : 'en';
}

/** loadLanguage loads the table of the current language. The script element of start.js names the files. */
export async function loadLanguage() {
  const files = document.querySelector('script[data-en]').dataset;
  table = (await import(files[language()])).default;
}

/** setLanguage changes and stores the language, and translates the page. */
export async function setLanguage(next) {
  if (!languages.includes(next) || next === language()) return;
  document.documentElement.lang = next;
  write('preferred_language', next);
  // Otherwise ?lang= would override the choice at the next reload.
  const url = new URL(location.href);
  url.searchParams.delete('lang');
  history.replaceState(history.state, '', url);
  await loadLanguage();
  translate(document);
  for (const listener of listeners) listener();
}

/** onLanguage calls listener whenever the language changes. */
export function onLanguage(listener) {
  listeners.add(listener);
}

/** t returns the message of a key with its placeholders filled in; an unknown key is returned as it is. */
export function t(key, params = {}) {
  const message = table[key] ?? key;
  return message.replace(/\{(\w+)\}/g, (placeholder, name) => (name in params ? String(params[name]) : placeholder));
}

/** hasMessage reports whether there is a message for a key. */
export function hasMessage(key) {
  return key in table;
}

/** translate renders the messages of the current language in all elements below root. */
export function translate(root) {
  for (const node of root.querySelectorAll('[data-i18n]')) {
    const text = t(node.dataset.i18n);
    if (node.textContent !== text) node.textContent = text;
  }
  for (const name of attributes) {
    for (const node of root.querySelectorAll(`[data-i18n-${name}]`)) {
      node.setAttribute(name, t(node.getAttribute(`data-i18n-${name}`)));
    }
  }
}

const locale = () => (language() === 'zh' ? 'zh-CN' : navigator.language.startsWith('en') ? navigator.language : 'en');

/** formatNumber formats a number for the current language. */
export function formatNumber(n) {
  return new Intl.NumberFormat(language()).format(n);
}

/** formatTime formats a date; today's without the day. */
export function formatTime(date) {
  const today = new Date().toDateString() === date.toDateString();
  const style = today ? { timeStyle: 'short' } : { dateStyle: 'medium', timeStyle: 'short' };
  return new Intl.DateTimeFormat(locale(), style).format(date);
}

/** formatClock formats the time of day of a date. */
export function formatClock(date) {
  return new Intl.DateTimeFormat(locale(), { timeStyle: 'short' }).format(date);
}

/** formatDuration formats a number of seconds. */
export function formatDuration(seconds) {
  const whole = Math.max(1, Math.round(seconds));
  if (whole < 60) return t('time.seconds', { n: whole });
  if (whole < 3600) return t('time.minutes', { m: Math.floor(whole / 60), s: whole % 60 });
  return t('time.hours', { h: Math.floor(whole / 3600), m: Math.floor((whole % 3600) / 60) });
}

/** fileSize formats a number of bytes. */
export function fileSize(bytes) {
  if (bytes < 1000) return `${formatNumber(bytes)} B`;
  if (bytes < 1e6) return `${formatNumber(Math.round(bytes / 1000))} kB`;
  return `${formatNumber(Math.round(bytes / 1e5) / 10)} MB`;
}
