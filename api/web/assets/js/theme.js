// Light or dark theme: the system's unless the user chooses one. start.js applies the choice before the first paint.
import { read, write } from './storage.js';

/** initTheme connects the select element to the stored choice. */
export function initTheme(select) {
  const stored = read('theme');
  select.value = stored === 'light' || stored === 'dark' ? stored : 'auto';
  select.addEventListener('change', () => {
    if (select.value === 'auto') {
      delete document.documentElement.dataset.theme;
      write('theme', null);
      return;
    }
    document.documentElement.dataset.theme = select.value;
    write('theme', select.value);
  });
}
