// Runs before the first paint, so that neither the colours nor the language flash. It is a classic script because
// modules wait for the document.
(function start() {
  'use strict';
  const root = document.documentElement;
  let theme = null;
  let language = null;
  try {
    theme = localStorage.getItem('theme');
    language = localStorage.getItem('preferred_language');
  } catch {
    // Storage may be forbidden; the page works without it.
  }
  if (theme === 'light' || theme === 'dark') root.dataset.theme = theme;
  const wanted = [new URLSearchParams(location.search).get('lang'), language, ...(navigator.languages ?? [navigator.language])];
  for (const tag of wanted) {
    const primary = String(tag ?? '').toLowerCase().split('-')[0];
    if (primary === 'en' || primary === 'zh') {
      root.lang = primary;
      return;
    }
  }
})();
