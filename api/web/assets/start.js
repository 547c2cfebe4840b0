// Sets the theme and the language before the first paint, so that neither flashes, and starts to load the messages. This is
// a classic script because modules are deferred.
(function start() {
  'use strict';
  const root = document.documentElement;
  const files = document.currentScript.dataset;
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
      break;
    }
  }
  const table = document.createElement('link');
  table.rel = 'modulepreload';
  table.href = files[root.lang];
  document.head.append(table);
  // The first paint already has the layout of the address.
  const path = location.pathname;
  root.dataset.view = path === '/' ? 'studio' : path.split('/')[1];
})();
