// JSON whose numbers keep all their digits. `JSON.parse` rounds numbers beyond 2^53 and drops the zero of 25.0, but
// users must see exactly the value that they accept.

/** @import { Json } from './types.js' */

/** The text of a number that JavaScript would write differently. */
export class ExactNumber {
  /** @param {string} text */
  constructor(text) {
    /** @readonly */
    this.text = text;
  }

  toString() {
    return this.text;
  }

  /** The number as it was sent; a string if the browser cannot write such numbers. */
  toJSON() {
    return /** @type {any} */ (JSON).rawJSON?.(this.text) ?? this.text;
  }
}

// Strings are matched too, so that digits inside them do not change.
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
// The server allows no U+0000 in keys, so no value can look like this.
const MARK = '\u0000number';

/**
 * @param {string} text
 * @returns {any}
 */
export function parseJson(text) {
  let inexact = false;
  const marked = text.replace(TOKEN, (token) => {
    if (token.startsWith('"') || String(Number(token)) === token) return token;
    inexact = true;
    return `{"\\u0000number":"${token}"}`;
  });
  // Also if the text is not JSON: the error then refers to the text that was sent.
  if (!inexact) return JSON.parse(text);
  return JSON.parse(marked, (_key, value) =>
    value !== null && typeof value === 'object' && typeof value[MARK] === 'string'
      ? new ExactNumber(value[MARK])
      : value,
  );
}

/**
 * @param {Json | undefined} value
 * @returns {value is { [key: string]: Json }}
 */
export function isMap(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof ExactNumber);
}

/**
 * The value as indented JSON, keys in order, so that two of them can be compared by eye.
 * @param {Json} value
 * @param {string} [indent]
 * @returns {string}
 */
export function printJson(value, indent = '') {
  const inner = `${indent}  `;
  if (value instanceof ExactNumber) return value.text;
  if (Array.isArray(value)) {
    if (value.length === 0) return '[]';
    return `[\n${value.map((item) => inner + printJson(item, inner)).join(',\n')}\n${indent}]`;
  }
  if (isMap(value)) {
    const keys = Object.keys(value).sort();
    if (keys.length === 0) return '{}';
    const lines = keys.map((key) => `${inner}${JSON.stringify(key)}: ${printJson(value[key] ?? null, inner)}`);
    return `{\n${lines.join(',\n')}\n${indent}}`;
  }
  return JSON.stringify(value);
}
