// Tags: words that people give to their work, by which they find it again in the gallery.
import { el } from './dom.js';

const maxShown = 12;

/** parseTags returns the tags of a text in which commas separate them, each once. */
export const parseTags = (text) => [...new Set(text.split(/[,，、]/).map((tag) => tag.trim()).filter(Boolean))];

/** tagsText returns tags as people write them: the opposite of parseTags. */
export const tagsText = (tags = []) => tags.join(', ');

/** showTags offers the most frequent tags of jobs as choices in a box, and the chosen ones in any case. */
export function showTags(box, jobs, chosen) {
  const counts = new Map(chosen.map((tag) => [tag, Infinity]));
  for (const job of jobs) for (const tag of job.tags ?? []) counts.set(tag, (counts.get(tag) ?? 0) + 1);
  const wanted = [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)).slice(0, Math.max(maxShown, chosen.length)).map(([tag]) => tag).sort();
  const known = new Map([...box.querySelectorAll('input')].map((input) => [input.value, input]));
  for (const [tag, input] of known) if (!wanted.includes(tag)) input.closest('label').remove();
  let next = box.querySelector('label');
  for (const tag of wanted) {
    const label = known.get(tag)?.closest('label') ?? el('label', { class: 'chip tag' }, el('input', { type: 'checkbox', name: 'tag', value: tag, form: 'filters' }), el('span', { class: 'chip-text', text: `#${tag}` }));
    label.firstChild.checked = chosen.includes(tag);
    if (label === next) next = next.nextElementSibling;
    else box.insertBefore(label, next);
  }
  box.hidden = wanted.length === 0;
}
