// The language of the page. Elements name their message in data-i18n, and the messages of attributes in
// data-i18n-placeholder, data-i18n-title and data-i18n-aria-label.
import en from '../i18n/en.js';
import zh from '../i18n/zh.js';
import { write } from './storage.js';

const tables = { en, zh };
const attributes = ['placeholder', 'title', 'aria-label'];
const listeners = new Set();

/** language returns the current language, "en" or "zh". start.js sets the initial one. */
export function language() {
  return document.documentElement.lang in tables ? document.documentElement.lang : 'en';
}

/** setLanguage changes and stores the language, and translates the page. */
export function setLanguage(next) {
  if (!(next in tables)) return;
  document.documentElement.lang = next;
  write('preferred_language', next);
  // Otherwise ?lang= would override the choice at the next reload.
  const url = new URL(location.href);
  url.searchParams.delete('lang');
  history.replaceState(null, '', url);
  translate(document);
  for (const listener of listeners) listener();
}

/** onLanguage calls listener whenever the language changes. */
export function onLanguage(listener) {
  listeners.add(listener);
}

/** t returns the message of a key with its placeholders filled in; an unknown key is returned as it is. */
export function t(key, params = {}) {
  const message = tables[language()][key] ?? tables.en[key] ?? key;
  return message.replace(/\{(\w+)\}/g, (placeholder, name) => (name in params ? String(params[name]) : placeholder));
}

/** hasMessage reports whether there is a message for a key. */
export function hasMessage(key) {
  return key in tables.en;
}

/** translate renders the messages of the current language in all elements below root. */
export function translate(root) {
  for (const node of root.querySelectorAll('[data-i18n]')) node.textContent = t(node.dataset.i18n);
  for (const name of attributes) {
    for (const node of root.querySelectorAll(`[data-i18n-${name}]`)) {
      node.setAttribute(name, t(node.getAttribute(`data-i18n-${name}`)));
    }
  }
}

/** formatNumber formats a number for the current language. */
export function formatNumber(n) {
  return new Intl.NumberFormat(language()).format(n);
}

/** formatTime formats a date; today's without the day. */
export function formatTime(date) {
  const today = new Date().toDateString() === date.toDateString();
  const style = today ? { timeStyle: 'short' } : { dateStyle: 'medium', timeStyle: 'short' };
  return new Intl.DateTimeFormat(language() === 'zh' ? 'zh-CN' : navigator.language.startsWith('en') ? navigator.language : 'en', style).format(date);
}

/** formatDuration formats a number of seconds. */
export function formatDuration(seconds) {
  if (seconds < 1) return t('time.moment');
  const whole = Math.round(seconds);
  if (whole < 60) return t('time.seconds', { n: whole });
  if (whole < 3600) return t('time.minutes', { m: Math.floor(whole / 60), s: whole % 60 });
  return t('time.hours', { h: Math.floor(whole / 3600), m: Math.floor((whole % 3600) / 60) });
}
