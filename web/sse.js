// Reads server-sent events from a stream, as the HTML standard says.

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
   * @returns {ServerEvent[]} what is complete by now
   */
  push(chunk) {
    /** @type {ServerEvent[]} */
    const events = [];
    const text = this.#rest + chunk;
    // A carriage return at the end may be half of a line end.
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
    // Unlike a browser, which drops events without data: `complete` may have none.
    const something = this.#event !== '' || this.#data.length > 0;
    this.#event = '';
    this.#data = [];
    return something ? event : null;
  }
}
