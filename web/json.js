// JSON whose numbers keep all their digits. `JSON.parse` rounds numbers beyond 2^53 and drops the zero of 25.0, but
// users must see exactly the value that they accept.

/** @import { Json } from './types.js' */

/** A number, kept as text because JavaScript would write it differently. */
export class ExactNumber {
  /** @param {string} text */
  constructor(text) {
    /** @readonly */
    this.text = text;
  }

  toString() {
    return this.text;
  }

  /** Returns the number as the server sent it, or a string if the browser lacks `JSON.rawJSON`. */
  toJSON() {
    return /** @type {any} */ (JSON).rawJSON?.(this.text) ?? this.text;
  }
}

// Also matches strings, so that digits inside them are not replaced.
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
// The key of an object that marks a number. The server allows no U+0000 in keys, so no other object has it.
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
  // Parses the original text, so that an error refers to it and not to the marked text.
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
 * Returns whether the server sent this in place of a secret inside a value.
 * @param {Json | undefined} value
 */
export function isSecret(value) {
  return isMap(value) && Object.keys(value).length === 1 && Object.hasOwn(value, 'redacted') && value['redacted'] === true;
}

/**
 * Formats a value as indented JSON with sorted keys, so that two values are easy to compare.
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
    // Without quotation marks, so that it differs from the text.
    if (isSecret(value)) return 'secret';
    const keys = Object.keys(value).sort();
    if (keys.length === 0) return '{}';
    const lines = keys.map((key) => `${inner}${JSON.stringify(key)}: ${printJson(value[key] ?? null, inner)}`);
    return `{\n${lines.join(',\n')}\n${indent}}`;
  }
  return JSON.stringify(value);
}
