// Sets the theme and the language before the first paint, so that neither flashes, starts to load the messages, and keeps the
// browser from sending forms. This is a classic script because modules are deferred.
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
  // Forms are sent by scripts, some of which are loaded later. The browser would put what is in them, such as a password, into the
  // address.
  document.addEventListener('submit', (event) => {
    if (event.target.method !== 'dialog') event.preventDefault();
  });
  // The first paint already has the layout of the address.
  const path = location.pathname;
  root.dataset.view = path === '/' ? 'studio' : path.split('/')[1];
})();
