// JSON whose numbers keep all their digits. `JSON.parse` rounds what is beyond 2^53 and drops the zero of 25.0,
// and nobody may be shown another value than the one that he accepts.

/** @import { Json } from './types.js' */

/** A number that JavaScript would write differently: its text, as it was sent. */
export class ExactNumber {
  /** @param {string} text */
  constructor(text) {
    /** @readonly */
    this.text = text;
  }

  toString() {
    return this.text;
  }

  /** As it was sent; where the browser cannot write that, as a text. */
  toJSON() {
    return /** @type {any} */ (JSON).rawJSON?.(this.text) ?? this.text;
  }
}

// Strings are matched too, so that digits inside of them are left alone.
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
// The server lets no U+0000 into any key, so that no value can look like this.
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
  // Also where the text is no JSON: the error should be about what was sent.
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
