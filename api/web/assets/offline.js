// The service worker: opens the page without a connection. Everything comes from the network while there is one; only files
// whose names contain a hash, which never change, are answered from the cache.
const store = 'page';
const maxFiles = 40;
const hashed = /^\/assets\/.+\.[0-9a-f]{10}\.\w+$/;

async function keep(request, response) {
  const cache = await caches.open(store);
  await cache.put(request, response);
  const keys = await cache.keys();
  for (const old of keys.slice(0, Math.max(0, keys.length - maxFiles))) if (new URL(old.url).pathname !== '/') await cache.delete(old);
}

async function file(request) {
  const kept = await caches.match(request);
  if (kept) return kept;
  const response = await fetch(request);
  if (response.ok) await keep(request, response.clone());
  return response;
}

// All views are one document, so the one at "/" stands for all of them.
async function view(request) {
  try {
    const response = await fetch(request);
    if (response.ok && response.headers.get('Content-Type')?.startsWith('text/html')) await keep('/', response.clone());
    return response;
  } catch (error) {
    const kept = await caches.match('/');
    if (kept) return kept;
    throw error;
  }
}

self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));
self.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== 'GET' || url.origin !== location.origin || url.pathname.startsWith('/api/')) return;
  if (request.mode === 'navigate' && url.pathname !== '/docs' && !url.search.includes('token=') && !url.search.includes('code=')) event.respondWith(view(request));
  else if (hashed.test(url.pathname)) event.respondWith(file(request));
});
