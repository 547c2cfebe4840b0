// The browser's storage: drafts, theme and language. It may be blocked or full; then nothing is stored and everything else
// still works.

/** read returns a stored text, or null. */
export function read(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

/** readList returns a stored list, which is empty if there is none. */
export function readList(key) {
  try {
    const list = JSON.parse(read(key) ?? '[]');
    return Array.isArray(list) ? list : [];
  } catch {
    return [];
  }
}

/** write stores a text; null removes it. */
export function write(key, text) {
  try {
    if (text === null) localStorage.removeItem(key);
    else localStorage.setItem(key, text);
  } catch {
    // Not stored.
  }
}
