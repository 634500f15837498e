// The effect of an ignore rule that is not made yet: how many drifts it would close, counted while the user types.

import { explain, isAbort } from './api.js';
import { plural } from './format.js';
import { PREVIEW_RULE } from './queries.js';

/** Time in milliseconds between the last key and the preview. */
const TYPING = 250;

/** @typedef {{ openCount: number, resourceCount: number, pastCount: number, truncated: boolean }} Preview */

/**
 * Says what a rule would close.
 * @param {Preview} preview
 */
export function previewText({ openCount, resourceCount, pastCount, truncated }) {
  const most = truncated ? 'at least ' : '';
  const past = `It would have ignored ${most}${plural(pastCount, 'drift')} of the last 90 days.`;
  return `Closes ${most}${plural(openCount, 'open drift')} of ${plural(resourceCount, 'resource')}. ${past}`;
}

export class RulePreview {
  /** The effect in words, or why it is not known. */
  text = '';
  /** Whether `text` is the effect of the newest definition. */
  ready = false;
  #api;
  #changed;
  #asking = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #typing;

  /**
   * @param {import('./api.js').Api} api
   * @param {() => void} changed shows the text
   */
  constructor(api, changed) {
    this.#api = api;
    this.#changed = changed;
  }

  /**
   * Counts the drifts of a definition.
   * @param {object} definition
   * @param {boolean} typing whether the user may go on typing, so that the count waits
   */
  of(definition, typing) {
    this.stop();
    this.text = 'Counting the drifts…';
    this.#changed();
    this.#typing = setTimeout(() => void this.#ask(definition), typing ? TYPING : 0);
  }

  /** Drops the preview, for example because a required condition is missing. */
  stop() {
    clearTimeout(this.#typing);
    this.#asking.abort();
    this.ready = false;
    this.text = '';
  }

  /** @param {object} definition */
  async #ask(definition) {
    this.#asking = new AbortController();
    const { signal } = this.#asking;
    try {
      const { previewIgnoreRule } = await this.#api.ask(PREVIEW_RULE, { definition }, signal);
      if (signal.aborted) return;
      this.ready = true;
      this.text = previewText(previewIgnoreRule);
    } catch (error) {
      if (signal.aborted || isAbort(error)) return;
      this.text = `The drifts could not be counted. ${explain(error)}`;
    }
    this.#changed();
  }
}
