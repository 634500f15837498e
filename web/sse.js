// Parses a stream of server-sent events as defined by the HTML standard.

/**
 * @typedef {{ event: string, data: string }} ServerEvent
 */

export class EventParser {
  #rest = '';
  #event = '';
  /** @type {string[]} */
  #data = [];

  /**
   * @param {string} chunk
   * @returns {ServerEvent[]} the events that are complete after this chunk
   */
  push(chunk) {
    /** @type {ServerEvent[]} */
    const events = [];
    const text = this.#rest + chunk;
    // A carriage return at the end may be the first half of a line end.
    const lines = text.split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      const event = this.#line(line);
      if (event !== null) events.push(event);
    }
    return events;
  }

  /**
   * @param {string} line
   * @returns {ServerEvent | null}
   */
  #line(line) {
    if (line === '') return this.#dispatch();
    const colon = line.indexOf(':');
    const name = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === 'event') this.#event = value;
    if (name === 'data') this.#data.push(value);
    return null;
  }

  #dispatch() {
    const event = { event: this.#event || 'message', data: this.#data.join('\n') };
    // Browsers drop events without data, but `complete` may have none.
    const something = this.#event !== '' || this.#data.length > 0;
    this.#event = '';
    this.#data = [];
    return something ? event : null;
  }
}
