// Prompts and sentences to start from, in themes.
import { el, icon } from './dom.js';
import { language, t } from './i18n.js';

const themes = ['landscape', 'portrait', 'product', 'avatar', 'anime', 'logo'];
const perTheme = 4;
const speechIdeas = 5;

/** ideaThemes returns the themes with their prompts in the current language. */
export const ideaThemes = () => themes.map((theme) => ({
  title: t(`theme.${theme}`),
  ideas: Array.from({ length: perTheme }, (_, n) => t(`idea.${theme}.${n + 1}`)),
}));

const speechThemes = () => [{ title: t('theme.speech'), ideas: Array.from({ length: speechIdeas }, (_, n) => t(`speech.${n + 1}`)) }];

/** sectionsOf returns the themes as elements; pick is called with the idea that somebody chooses. */
export const sectionsOf = (groups, pick) => groups.map(({ title, ideas }) => el('section', {}, el('h3', { text: title }),
  ...ideas.map((idea) => el('button', { type: 'button', class: 'idea', text: idea, on: { click: () => pick(idea) } }))));

/** fillIdeas renders the ideas for a kind of work. Somebody who cannot decide gets one of them. */
export function fillIdeas(list, kind, pick) {
  const groups = kind === 'image' ? ideaThemes() : speechThemes();
  const all = groups.flatMap(({ ideas }) => ideas);
  list.lang = language();
  list.replaceChildren(
    el('button', { type: 'button', class: 'quiet', on: { click: () => pick(all[Math.floor(Math.random() * all.length)]) } }, icon('idea'), el('span', { text: t('verb.surprise') })),
    ...sectionsOf(groups, pick),
  );
}
