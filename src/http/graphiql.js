// Starts GraphiQL on /graphiql. A file of its own: the page's content security policy allows no inline script.
'use strict';

(() => {
  const TOKEN_KEY = 'drift-inbox:token';
  const WITHOUT_CDN = [
    'The Drift Inbox server itself is fine, and any other GraphQL client can use it: send POST requests to /graphql with an Authorization header.',
  ];
  const byId = (id) => document.getElementById(id);

  // The token lives in this tab only. Where the browser keeps nothing at all, a variable has to do.
  const token = {
    value: null,
    read() {
      try {
        return sessionStorage.getItem(TOKEN_KEY) ?? this.value;
      } catch {
        return this.value;
      }
    },
    write(value) {
      this.value = value;
      try {
        if (value === null) sessionStorage.removeItem(TOKEN_KEY);
        else sessionStorage.setItem(TOKEN_KEY, value);
      } catch {
        // Kept in the variable.
      }
    },
  };

  // Takes `#token=...` out of the address, so that it is in no bookmark, history entry or screenshot.
  function takeTokenFromAddress() {
    const given = new URLSearchParams(location.hash.slice(1)).get('token');
    if (given === null) return;
    history.replaceState(history.state, '', location.pathname + location.search);
    const trimmed = given.trim();
    token.write(trimmed === '' ? null : trimmed);
  }

  function showToken() {
    const known = token.read() !== null;
    byId('token-state').textContent = known
      ? 'Requests carry the token from your link, in this tab only.'
      : 'No token: open a link that has one, or enter {"Authorization": "Bearer …"} under Headers below.';
    byId('forget').hidden = !known;
  }

  function explain(...lines) {
    const paragraphs = lines.map((line) => {
      const paragraph = document.createElement('p');
      paragraph.textContent = line;
      return paragraph;
    });
    const message = byId('message') ?? byId('graphiql');
    message.setAttribute('role', 'alert');
    message.replaceChildren(...paragraphs);
  }

  // GraphiQL writes the headers of every history entry to localStorage, whatever shouldPersistHeaders says, and with
  // them a token typed into the headers editor. This storage drops all headers, and whole values that look as if
  // they held a token elsewhere.
  function withoutHeaders(value) {
    if (Array.isArray(value)) return value.map(withoutHeaders);
    if (value === null || typeof value !== 'object') return value;
    // null and not left out: GraphiQL takes stored tabs without the key for broken ones.
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]) => [key, key.toLowerCase() === 'headers' ? null : withoutHeaders(inner)]),
    );
  }

  function stripped(text) {
    try {
      const value = JSON.parse(text);
      return value !== null && typeof value === 'object' ? JSON.stringify(withoutHeaders(value)) : text;
    } catch {
      // Not JSON: the name of an operation or a theme, a size.
      return text;
    }
  }

  function looksSecret(text) {
    const known = token.read();
    return /bearer\s+\S|eyJ[\w-]{8,}\./i.test(text) || (known !== null && text.includes(known));
  }

  function storable(key, text) {
    if (/headers$/i.test(key)) return null;
    // In a document or in variables, "headers" is the user's own word.
    const kept = /:(query|variables)$/.test(key) ? text : stripped(text);
    return looksSecret(kept) ? null : kept;
  }

  function makeStorage() {
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
      getItem: (key) => local.getItem(key),
      setItem(key, text) {
        // What may not be stored leaves what was stored before: GraphiQL's keys stay consistent with each other.
        const kept = storable(key, text);
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

  async function fetcher(parameters, options) {
    const headers = new Headers({
      Accept: 'application/graphql-response+json, application/json;q=0.9',
      'Content-Type': 'application/json',
    });
    const known = token.read();
    if (known !== null) headers.set('Authorization', `Bearer ${known}`);
    // The headers editor has the last word.
    for (const [name, value] of Object.entries(options?.headers ?? {})) headers.set(name, String(value));

    let response;
    try {
      response = await fetch('/graphql', { method: 'POST', headers, body: JSON.stringify(parameters) });
    } catch (error) {
      throw new Error(`The server cannot be reached: ${error.message}`);
    }
    const text = await response.text();
    try {
      return JSON.parse(text);
    } catch {
      throw new Error(`The server answered ${response.status} ${response.statusText} without JSON: ${text.slice(0, 200)}`);
    }
  }

  const pretty = (value) => JSON.stringify(value, null, 2);
  const TABS = [
    {
      query: `# The inbox: every field whose live value
# is not what its spec says. Ctrl-Enter runs it.
query Inbox {
  drifts(first: 20) {
    totalCount
    nodes {
      id
      field
      expected
      actual
      revision
      resource {
        name
        kind
      }
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
`,
    },
    {
      query: `# Makes the live value of one drift the desired one.
# Take id and revision from the inbox: the revision
# says which value you saw, and so accept.
mutation Accept($input: AcceptDriftInput!) {
  acceptDrift(input: $input) {
    drift {
      id
      status
    }
    provisioned {
      specVersion
      spec
    }
  }
}
`,
      variables: pretty({ input: { driftId: 'ID OF A DRIFT', revision: 1, note: 'Resized on purpose' } }),
    },
    {
      query: `# Writes down what a resource should be.
# Only the fields of the spec are watched.
# expectedSpecVersion: the version you read,
# 0 if there is none yet.
mutation Record($input: RecordSpecInput!) {
  recordSpec(input: $input) {
    provisioned {
      specVersion
      spec
    }
  }
}
`,
      variables: pretty({
        input: {
          resourceId: 'ID OF A RESOURCE',
          spec: { size_slug: 's-1vcpu-1gb', tags: ['web'] },
          expectedSpecVersion: 0,
        },
      }),
    },
  ];

  function start() {
    const { React, ReactDOM, GraphiQL } = window;
    if (!React || !ReactDOM || !GraphiQL) {
      explain(
        'GraphiQL could not be loaded.',
        'Its program comes from unpkg.com. This browser could not reach that host, or something on the way blocked or changed the files.',
        ...WITHOUT_CDN,
      );
      return;
    }
    byId('bar').hidden = false;
    showToken();

    const container = byId('graphiql');
    container.replaceChildren();
    const root = ReactDOM.createRoot(container);
    // A new key makes a new GraphiQL, which reads the schema again: with another token there may be another answer.
    let generation = 0;
    const storage = makeStorage();
    const render = () => {
      generation += 1;
      showToken();
      root.render(
        React.createElement(GraphiQL, {
          key: generation,
          fetcher,
          storage,
          defaultTabs: TABS,
          defaultEditorToolsVisibility: 'variables',
          isHeadersEditorEnabled: true,
          shouldPersistHeaders: false,
          showPersistHeadersSettings: false,
        }),
      );
    };
    render();

    byId('forget').addEventListener('click', () => {
      token.write(null);
      render();
    });
    window.addEventListener('hashchange', () => {
      takeTokenFromAddress();
      render();
    });
  }

  let started = false;

  // Runs after the deferred scripts, whether they came or not.
  function begin() {
    started = true;
    try {
      start();
    } catch (error) {
      console.error(error);
      explain('GraphiQL could not be started.', String(error));
    }
  }

  // At once: the token must not stay in the address while other scripts are on their way.
  takeTokenFromAddress();
  document.addEventListener('DOMContentLoaded', begin);
  setTimeout(() => {
    if (!started) explain('Still waiting for unpkg.com, from where GraphiQL comes.', ...WITHOUT_CDN);
  }, 10_000);
})();
