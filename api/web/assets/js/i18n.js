// The language of the page. Elements name their sentence in data-i18n, and those of their attributes in
// data-i18n-placeholder, data-i18n-title and data-i18n-aria-label.
import en from '../i18n/en.js';
import zh from '../i18n/zh.js';
import { write } from './storage.js';

const tables = { en, zh };
const attributes = ['placeholder', 'title', 'aria-label'];
const listeners = new Set();

/** language returns the language in use, "en" or "zh". start.js has chosen the first one. */
export function language() {
  return document.documentElement.lang in tables ? document.documentElement.lang : 'en';
}

/** setLanguage changes the language, remembers it and translates the page. */
export function setLanguage(next) {
  if (!(next in tables)) return;
  document.documentElement.lang = next;
  write('preferred_language', next);
  // The address must not overrule the choice at the next reload.
  const address = new URL(location.href);
  address.searchParams.delete('lang');
  history.replaceState(null, '', address);
  translate(document);
  for (const listener of listeners) listener();
}

/** onLanguage calls listener after every change of the language. */
export function onLanguage(listener) {
  listeners.add(listener);
}

/** t returns a sentence with its gaps filled. A key without a sentence stands for itself. */
export function t(key, gaps = {}) {
  const sentence = tables[language()][key] ?? tables.en[key] ?? key;
  return sentence.replace(/\{(\w+)\}/g, (gap, name) => (name in gaps ? String(gaps[name]) : gap));
}

/** known reports whether a key has a sentence. */
export function known(key) {
  return key in tables.en;
}

/** translate puts the sentences of the language in use into everything below root. */
export function translate(root) {
  for (const node of root.querySelectorAll('[data-i18n]')) node.textContent = t(node.dataset.i18n);
  for (const name of attributes) {
    for (const node of root.querySelectorAll(`[data-i18n-${name}]`)) {
      node.setAttribute(name, t(node.getAttribute(`data-i18n-${name}`)));
    }
  }
}

/** number writes a number as the language does. */
export function number(n) {
  return new Intl.NumberFormat(language()).format(n);
}

/** moment writes a time: the hour today, otherwise the day too. */
export function moment(date) {
  const today = new Date().toDateString() === date.toDateString();
  const style = today ? { timeStyle: 'short' } : { dateStyle: 'medium', timeStyle: 'short' };
  return new Intl.DateTimeFormat(language() === 'zh' ? 'zh-CN' : navigator.language.startsWith('en') ? navigator.language : 'en', style).format(date);
}

/** duration writes a number of seconds. */
export function duration(seconds) {
  if (seconds < 1) return t('time.moment');
  const whole = Math.round(seconds);
  if (whole < 60) return t('time.seconds', { n: whole });
  if (whole < 3600) return t('time.minutes', { m: Math.floor(whole / 60), s: whole % 60 });
  return t('time.hours', { h: Math.floor(whole / 3600), m: Math.floor((whole % 3600) / 60) });
}
