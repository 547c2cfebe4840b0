// The pages of text: help, privacy and terms.
import { byId, el } from './dom.js';
import { t } from './i18n.js';
import { ideaThemes, sectionsOf } from './ideas.js';

const guide = ['subject', 'light', 'view', 'style', 'not', 'seed'];
const keys = [['slash', '/'], ['enter', 'Ctrl/⌘ + Enter'], ['arrows', '← → ↑ ↓'], ['escape', 'Esc'], ['undo', 'Ctrl/⌘ + Z'], ['help', '?']];
const questions = ['keep', 'close', 'limit', 'file', 'long', 'many'];
const privacy = ['made', 'services', 'cookies', 'account', 'address'];
const terms = ['use', 'yours', 'none', 'operator'];

const example = () => [
  "curl -H 'Content-Type: application/json' -H 'Prefer: wait=60' \\",
  `  -d '{"kind":"image","input":{"prompt":"A lighthouse at dusk"}}' \\`,
  `  ${location.origin}/api/jobs`,
].join('\n');

const heading = (key) => el('h2', { text: t(key) });
const title = (key) => el('h1', { tabindex: -1, text: t(key) });

/** showPages renders the pages in the current language; pick is called with the prompt that somebody chooses. */
export function showPages(pick) {
  byId('view-help').replaceChildren(
    title('nav.help'),
    heading('help.guide'),
    el('ol', { class: 'steps' }, ...guide.map((name) => el('li', { text: t(`help.guide.${name}`) }))),
    heading('help.ideas'),
    el('div', { class: 'ideas' }, ...sectionsOf(ideaThemes(), pick)),
    heading('help.keys'),
    el('dl', { class: 'keys' }, ...keys.flatMap(([name, key]) => [el('dt', {}, el('kbd', { text: key })), el('dd', { text: t(`help.key.${name}`) })])),
    heading('help.questions'),
    ...questions.map((name) => el('details', {}, el('summary', { text: t(`help.q.${name}`) }), el('p', { text: t(`help.a.${name}`) }))),
    heading('help.api'),
    el('p', { text: t('help.api.lead') }),
    el('pre', { tabindex: 0 }, el('code', { text: example() })),
    el('p', {}, el('a', { href: '/docs', text: t('page.docs') })),
  );
  byId('view-privacy').replaceChildren(title('nav.privacy'), ...privacy.map((name) => el('p', { text: t(`privacy.${name}`) })));
  byId('view-terms').replaceChildren(title('nav.terms'), ...terms.map((name) => el('p', { text: t(`terms.${name}`) })));
}
