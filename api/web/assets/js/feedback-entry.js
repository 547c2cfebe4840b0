// Renders one feedback message, for its author and for the operator. Its content is inserted as text, never as markup.
import { el } from './dom.js';
import { formatTime, hasMessage, t } from './i18n.js';

/** category returns the name of a category; an unknown one is returned as it is. */
export const category = (name) => (hasMessage(`category.${name}`) ? t(`category.${name}`) : name);

/** feedbackEntry returns a list item; author is shown if given, and further children are appended. */
export function feedbackEntry(feedback, author = '', ...further) {
  const { category: name, status, created_at: created, content } = feedback;
  return el(
    'li', { data: { status } },
    el(
      'p', { class: 'feedback-head' },
      el('bdi', { text: category(name) }),
      el('span', { class: 'pill', text: t(status === 'processed' ? 'feedback.processed' : 'feedback.pending') }),
    ),
    el('p', { class: 'feedback-text', dir: 'auto', text: content }),
    el('p', { class: 'feedback-meta' }, el('time', { datetime: created, text: formatTime(new Date(created)) }), author && el('bdi', { text: author })),
    ...further,
  );
}
