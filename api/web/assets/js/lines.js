// Several texts in one box, one on each line: every line is a work of its own, and all of them are one batch.
import { el, setText } from './dom.js';
import { formatNumber, t } from './i18n.js';
import { length } from './fields.js';

const maxLines = 1000;
const maxFaults = 10;

/** linesOf returns the lines of a text that are not empty as [{text, number, start, end}]. */
export function linesOf(text) {
  let start = 0;
  return text.split('\n').map((line, n) => {
    const at = start;
    start += line.length + 1;
    return { text: line.trim(), number: n + 1, start: at, end: at + line.length };
  }).filter((line) => line.text !== '');
}

/** countLongest shows how long the longest line is, which may have max characters. */
export function countLongest(output, lines, max) {
  const longest = Math.max(...lines.map(({ text }) => length(text)));
  setText(output, t('form.counter', { n: formatNumber(longest), max: formatNumber(max) }));
  output.classList.toggle('over', longest > max);
}

/** checkLines returns what is wrong with lines that may have max characters each, as [{line, sentence}]. */
export function checkLines(lines, max) {
  if (lines.length > maxLines) return [{ line: lines[maxLines], sentence: t('lines.too_many', { max: formatNumber(maxLines) }) }];
  return lines.filter(({ text }) => length(text) > max).map((line) => ({ line, sentence: t('invalid.too_long', { max: formatNumber(max) }) }));
}

/** showFaults lists what is wrong with lines below their box; each goes to its line. Without faults the list is removed. */
export function showFaults(box, faults) {
  const field = box.closest('.field');
  field.querySelector('.line-faults')?.remove();
  box.removeAttribute('aria-invalid');
  if (faults.length === 0) return;
  const go = ({ start, end }) => {
    box.focus();
    box.setSelectionRange(start, end);
  };
  const list = el('ul', { class: 'line-faults', role: 'alert' }, ...faults.slice(0, maxFaults).map(({ line, sentence }) => el('li', {},
    el('button', { type: 'button', text: t('lines.fault', { n: formatNumber(line.number), sentence }), on: { click: () => go(line) } }))));
  if (faults.length > maxFaults) list.append(el('li', { text: t('lines.more', { n: formatNumber(faults.length - maxFaults) }) }));
  field.append(list);
  box.setAttribute('aria-invalid', 'true');
  go(faults[0].line);
}
