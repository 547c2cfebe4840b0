// What this browser remembers: drafts, the colours and the language. Storage may be forbidden or full; then nothing is
// remembered and everything else works.

/** read returns a remembered text, or null. */
export function read(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

/** write remembers a text; null forgets it. */
export function write(key, text) {
  try {
    if (text === null) localStorage.removeItem(key);
    else localStorage.setItem(key, text);
  } catch {
    // Not remembered.
  }
}
