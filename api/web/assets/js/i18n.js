// The language of the page. Elements name their message in data-i18n, and the messages of attributes in
// data-i18n-placeholder, data-i18n-title and data-i18n-aria-label. Only the tables in use are loaded: that of the first view,
// and another once a later view is opened.
import { write } from './storage.js';

const languages = ['en', 'zh'];
const attributes = ['placeholder', 'title', 'aria-label'];
const listeners = new Set();
let table = {};
let more = null;

/** language returns the current language, "en" or "zh". start.js sets the initial one. */
export function language() {
  return languages.includes(document.documentElement.lang) ? document.documentElement.lang : 'en';
}

const files = document.querySelector('script[data-en]').dataset;

/** loadLanguage loads the table of the current language. The script element of start.js names the files. */
export async function loadLanguage() {
  const tables = await Promise.all([import(files[language()]), more && import(files[`${language()}More`])]);
  table = Object.assign({}, ...tables.map((module) => module?.default));
}

/** loadMore loads the messages of all views. */
export function loadMore() {
  more ??= (async () => {
    const wanted = language();
    const { default: messages } = await import(files[`${wanted}More`]);
    if (wanted === language()) table = { ...table, ...messages };
    else await loadLanguage();
    // Only what this table has: other texts may have been changed since.
    translate(document, messages);
  })();
  more.catch(() => { more = null; });
  return more;
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

/** translate renders messages in all elements below root: those of the current language that are there, unless others are given. */
export function translate(root, messages = table) {
  for (const node of root.querySelectorAll('[data-i18n]')) {
    const text = messages[node.dataset.i18n];
    if (text !== undefined && node.textContent !== text) node.textContent = text;
  }
  for (const name of attributes) {
    for (const node of root.querySelectorAll(`[data-i18n-${name}]`)) {
      const text = messages[node.getAttribute(`data-i18n-${name}`)];
      if (text !== undefined) node.setAttribute(name, text);
    }
  }
}

const locale = () => (language() === 'zh' ? 'zh-CN' : navigator.language.startsWith('en') ? navigator.language : 'en');

// Making a format costs more than using it a hundred times.
const numbers = {};

/** formatNumber formats a number for the current language. */
export function formatNumber(n) {
  const tag = language();
  numbers[tag] ??= new Intl.NumberFormat(tag);
  return numbers[tag].format(n);
}

/** formatTime formats a date; today's without the day. */
export function formatTime(date) {
  const today = new Date().toDateString() === date.toDateString();
  const style = today ? { timeStyle: 'short' } : { dateStyle: 'medium', timeStyle: 'short' };
  return new Intl.DateTimeFormat(locale(), style).format(date);
}

/** formatDay formats a day like 2026-11-22. */
export function formatDay(day) {
  return new Intl.DateTimeFormat(locale(), { dateStyle: 'medium', timeZone: 'UTC' }).format(new Date(day));
}

/** formatCost formats an amount with all of its digits. */
export function formatCost(amount) {
  return new Intl.NumberFormat(language(), { maximumFractionDigits: 9 }).format(amount);
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
