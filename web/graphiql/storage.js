// The storage of GraphiQL's tabs and history: the browser's local storage, without tokens.
//
// GraphiQL stores the headers of every history entry, even if shouldPersistHeaders is false. They may contain a token
// that was typed into the headers editor. This storage drops all headers, and rejects a value that seems to contain a
// token elsewhere.

/**
 * @param {unknown} value
 * @returns {unknown}
 */
function withoutHeaders(value) {
  if (Array.isArray(value)) return value.map(withoutHeaders);
  if (value === null || typeof value !== 'object') return value;
  // Null instead of absent: GraphiQL treats stored tabs without the key as broken.
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, key.toLowerCase() === 'headers' ? null : withoutHeaders(inner)]),
  );
}

/** @param {string} text */
function stripped(text) {
  try {
    const value = JSON.parse(text);
    return value !== null && typeof value === 'object' ? JSON.stringify(withoutHeaders(value)) : text;
  } catch {
    // Not JSON, but the name of an operation or theme, or a size.
    return text;
  }
}

/**
 * Returns the part of a text that may be stored; null if there is none.
 * @param {string} key
 * @param {string} text
 * @param {string | null} token the token of the session
 */
export function storable(key, text, token) {
  if (/headers$/i.test(key)) return null;
  // In a document or in variables, "headers" is a name that the user chose.
  const kept = /:(query|variables)$/.test(key) ? text : stripped(text);
  const looksSecret = /bearer\s+\S|eyJ[\w-]{8,}\./i.test(kept) || (token !== null && kept.includes(token));
  return looksSecret ? null : kept;
}

/**
 * @param {() => string | null} token returns the token of the session
 * @returns {Storage | null} null if the browser has no storage
 */
export function storageWithoutTokens(token) {
  /** @type {Storage} */
  let local;
  try {
    local = window.localStorage;
    local.getItem('graphiql:theme');
  } catch {
    return null;
  }
  return {
    get length() {
      return local.length;
    },
    key: (index) => local.key(index),
    getItem: (key) => local.getItem(key),
    setItem(key, text) {
      // If a text may not be stored, the previous text stays, so that GraphiQL's keys remain consistent.
      const kept = storable(key, text, token());
      if (kept !== null) local.setItem(key, kept);
    },
    removeItem: (key) => local.removeItem(key),
    clear() {
      for (const key of Object.keys(local)) {
        if (key.startsWith('graphiql:')) local.removeItem(key);
      }
    },
  };
}
