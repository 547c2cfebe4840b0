// Sets the theme and the language before the first paint, so that neither flashes. This is a classic script because
// modules are deferred.
(function start() {
  'use strict';
  const root = document.documentElement;
  let theme = null;
  let language = null;
  try {
    theme = localStorage.getItem('theme');
    language = localStorage.getItem('preferred_language');
  } catch {
    // Storage may be blocked; the page works without it.
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
