// Starts GraphiQL on /graphiql with the session of the inbox page.

import { parseJson } from '../json.js';
import { Session } from '../session.js';
import { EventParser } from '../sse.js';
import { storageWithoutTokens } from './storage.js';
import { loadTabs } from './tabs.js';

/** @typedef {{ query: string, variables?: unknown, operationName?: string | null }} Parameters */
/** @typedef {{ headers?: { [name: string]: unknown }, documentAST?: { definitions: readonly any[] } }} Options */

const WITHOUT_GRAPHIQL = [
  'The Drift Inbox server is available. Use any other GraphQL client: send POST requests to /graphql with an Authorization header.',
];
/** Time in milliseconds after which the page reports that its files have not loaded. */
const LOADING_TIMEOUT = 10_000;

const session = new Session();

/** @param {string} id */
function byId(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no ${id}`);
  return found;
}

function showToken() {
  const known = session.token !== null;
  byId('token-state').textContent = known
    ? 'Requests are sent with the token of this tab.'
    : 'No token. Sign in to the inbox in this tab, or enter {"Authorization": "Bearer …"} under Headers below. Behind a proxy that signs you in you need none.';
  byId('forget').hidden = !known;
}

/** @param {string[]} lines */
function explain(...lines) {
  const paragraphs = lines.map((line) => {
    const paragraph = document.createElement('p');
    paragraph.textContent = line;
    return paragraph;
  });
  const message = document.getElementById('message') ?? byId('graphiql');
  message.setAttribute('role', 'alert');
  message.replaceChildren(...paragraphs);
}

/**
 * @param {Parameters} parameters
 * @param {Options | undefined} options
 */
function isSubscription(parameters, options) {
  const operations = (options?.documentAST?.definitions ?? []).filter(({ kind }) => kind === 'OperationDefinition');
  const name = parameters.operationName ?? null;
  const chosen = operations.find((operation) => name === null || operation.name?.value === name);
  return chosen?.operation === 'subscription';
}

/**
 * @param {Parameters} parameters
 * @param {Options | undefined} options
 * @param {string} accept
 * @param {AbortSignal} [signal]
 */
async function post(parameters, options, accept, signal) {
  const headers = new Headers({ Accept: accept, 'Content-Type': 'application/json' });
  if (session.token !== null) headers.set('Authorization', `Bearer ${session.token}`);
  // The headers editor overrides these headers.
  for (const [name, value] of Object.entries(options?.headers ?? {})) headers.set(name, String(value));
  try {
    return await fetch('graphql', { method: 'POST', headers, body: JSON.stringify(parameters), signal: signal ?? null });
  } catch (error) {
    throw new Error(`The server cannot be reached: ${error instanceof Error ? error.message : error}`);
  }
}

/** @param {Response} response */
async function answer(response) {
  const text = await response.text();
  try {
    return parseJson(text);
  } catch {
    throw new Error(`The response ${response.status} ${response.statusText} is not JSON: ${text.slice(0, 200)}`);
  }
}

/**
 * Yields the results of a subscription until the reader stops.
 * @param {Parameters} parameters
 * @param {Options | undefined} options
 */
async function* subscribe(parameters, options) {
  const stop = new AbortController();
  try {
    const response = await post(parameters, options, 'text/event-stream', stop.signal);
    const isStream = response.headers.get('Content-Type')?.startsWith('text/event-stream');
    if (!isStream || response.body === null) {
      yield await answer(response);
      return;
    }
    const parser = new EventParser();
    const decoder = new TextDecoder();
    const reader = response.body.getReader();
    for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
      for (const { event, data } of parser.push(decoder.decode(value, { stream: true }))) {
        if (event === 'complete') return;
        if (event === 'next') yield parseJson(data);
      }
    }
  } finally {
    stop.abort();
  }
}

/**
 * @param {Parameters} parameters
 * @param {Options} [options]
 */
async function fetcher(parameters, options) {
  if (isSubscription(parameters, options)) return subscribe(parameters, options);
  return answer(await post(parameters, options, 'application/graphql-response+json, application/json;q=0.9'));
}

// GraphiQL's editors have no labels, so a screen reader could not name them.
/** @param {HTMLElement} container */
function nameEditors(container) {
  for (const field of container.querySelectorAll('.CodeMirror textarea:not([aria-label])')) {
    const part = field.closest('.graphiql-query-editor') ? 'Operation' : field.closest('.result-window') ? 'Response' : 'Variables and headers';
    field.setAttribute('aria-label', part);
  }
}

async function start() {
  const { React, ReactDOM, GraphiQL } = /** @type {any} */ (window);
  if (!React || !ReactDOM || !GraphiQL) {
    explain(
      'GraphiQL could not be loaded.',
      `Its files are loaded from ${document.documentElement.dataset['from']}. The browser could not load them, or they were blocked or modified.`,
      ...WITHOUT_GRAPHIQL,
    );
    return;
  }
  const tabs = await loadTabs();
  byId('bar').hidden = false;

  const container = byId('graphiql');
  container.replaceChildren();
  const root = ReactDOM.createRoot(container);
  new MutationObserver(() => nameEditors(container)).observe(container, { childList: true, subtree: true });
  const storage = storageWithoutTokens(() => session.token);
  // A new key creates a new GraphiQL, which loads the schema again with the new token.
  let generation = 0;
  const render = () => {
    generation += 1;
    showToken();
    root.render(
      React.createElement(GraphiQL, {
        key: generation,
        fetcher,
        storage,
        defaultTabs: tabs,
        defaultEditorToolsVisibility: 'variables',
        isHeadersEditorEnabled: true,
        shouldPersistHeaders: false,
        showPersistHeadersSettings: false,
      }),
    );
  };
  render();

  byId('forget').addEventListener('click', () => {
    session.end();
    render();
  });
  window.addEventListener('hashchange', () => {
    if (session.takeTokenFromAddress()) render();
  });
}

let started = false;

// Runs after the deferred scripts, whether or not they loaded.
async function begin() {
  started = true;
  try {
    await start();
  } catch (error) {
    console.error(error);
    explain('GraphiQL could not be started.', String(error));
  }
}

// Done immediately: the token must not stay in the address while other scripts load.
session.takeTokenFromAddress();
document.addEventListener('DOMContentLoaded', () => void begin());
setTimeout(() => {
  if (!started) explain(`Still loading GraphiQL from ${document.documentElement.dataset['from']}.`, ...WITHOUT_GRAPHIQL);
}, LOADING_TIMEOUT);
