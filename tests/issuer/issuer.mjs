// An OpenID Connect issuer for tests, made of oidc-provider, which is certified by the OpenID Foundation. It prints its
// address, and ends when its standard input closes.
//
//   node issuer.mjs '{"redirect": "http://127.0.0.1:8080/"}'
//
// Settings: `redirect` is the address of the page; `accessSeconds` and `idSeconds` are the lives of tokens; `refresh`:
// whether there are refresh tokens; `audience` of access tokens that are JSON Web Tokens; `opaque`: access tokens are not
// JSON Web Tokens; `algorithm` of signatures; `roles` of each user. A POST to /test/set changes them, a POST to
// /test/rotate replaces the keys, and a POST to /test/revoke ends all sessions and refresh tokens.
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';

import Provider from 'oidc-provider';

const settings = {
  accessSeconds: 3600,
  idSeconds: 3600,
  refresh: true,
  audience: 'drift-inbox',
  opaque: false,
  algorithm: 'RS256',
  down: false,
  cors: true,
  roles: { ada: ['platform_admin'], vera: ['platform_viewer'] },
  ...JSON.parse(process.argv[2]),
};
const CLIENT = 'drift-page';

/** Creates a key of each algorithm. */
function newKeys() {
  const key = (alg, type, options) => ({ ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }), kid: randomUUID(), alg, use: 'sig' });
  return [key('RS256', 'rsa', { modulusLength: 2048 }), key('ES256', 'ec', { namedCurve: 'P-256' }), key('EdDSA', 'ed25519')];
}

/** What the issuer stores, by model and id. */
let stored = new Map();

class Memory {
  constructor(model) {
    this.model = model;
  }
  #key(id) {
    return `${this.model}:${id}`;
  }
  async upsert(id, payload) {
    stored.set(this.#key(id), payload);
  }
  async find(id) {
    return stored.get(this.#key(id));
  }
  async findByUid(uid) {
    return [...stored.values()].find((payload) => payload.uid === uid && payload.kind === 'Session');
  }
  async consume(id) {
    stored.get(this.#key(id)).consumed = Math.floor(Date.now() / 1000);
  }
  async destroy(id) {
    stored.delete(this.#key(id));
  }
  async revokeByGrantId(grantId) {
    for (const [key, payload] of stored) if (payload.grantId === grantId && key.startsWith(`${this.model}:`)) stored.delete(key);
  }
}

function claims(accountId) {
  return { email: `${accountId}@example.com`, email_verified: true, roles: settings.roles[accountId] ?? [] };
}

function create(url, keys) {
  return new Provider(url, {
    adapter: Memory,
    clients: [
      {
        client_id: CLIENT,
        token_endpoint_auth_method: 'none',
        grant_types: ['authorization_code', 'refresh_token'],
        redirect_uris: [settings.redirect],
        post_logout_redirect_uris: [settings.redirect],
        id_token_signed_response_alg: settings.algorithm,
      },
    ],
    claims: { openid: ['sub'], email: ['email', 'email_verified', 'roles'] },
    conformIdTokenClaims: false,
    cookies: { keys: [randomUUID()] },
    clientBasedCORS: () => settings.cors,
    enabledJWA: { idTokenSigningAlgValues: ['RS256', 'ES256', 'EdDSA'] },
    extraTokenClaims: (_ctx, token) => claims(token.accountId),
    findAccount: (_ctx, sub) => ({ accountId: sub, claims: () => ({ sub, ...claims(sub) }) }),
    issueRefreshToken: () => settings.refresh,
    jwks: { keys },
    // Users are not asked for consent.
    async loadExistingGrant({ oidc }) {
      const grant = new oidc.provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
      grant.addOIDCScope('openid profile email offline_access');
      await grant.save();
      return grant;
    },
    features: {
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: !settings.opaque,
        getResourceServerInfo: () => ({ scope: '', audience: settings.audience, accessTokenTTL: settings.accessSeconds, accessTokenFormat: 'jwt', jwt: { sign: { alg: settings.algorithm } } }),
      },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: (ctx, form) => {
          ctx.body = `<!doctype html><title>Sign out</title>${form}<button type="submit" form="op.logoutForm" value="yes" name="logout" id="out">Sign out</button>`;
        },
      },
    },
    interactions: { url: (_ctx, { uid }) => `/interaction/${uid}` },
    routes: { authorization: '/auth', token: '/token', jwks: '/keys', end_session: '/out' },
    ttl: { AccessToken: () => settings.accessSeconds, IdToken: () => settings.idSeconds, RefreshToken: 86_400, Session: 86_400, Grant: 86_400, Interaction: 600, AuthorizationCode: 60 },
  });
}

const FORM = '<!doctype html><title>Sign in</title><form method="post"><input name="user" id="user" autofocus><button id="in">Sign in</button><button id="cancel" name="cancel" value="1">Cancel</button></form>';

/** Asks for the name of the user, without a password. */
async function interact(request, response) {
  await provider.interactionDetails(request, response);
  if (request.method !== 'POST') {
    response.setHeader('content-type', 'text/html').end(FORM);
    return;
  }
  const form = new URLSearchParams(await text(request));
  const result = form.has('cancel') ? { error: 'access_denied', error_description: 'the user cancelled' } : { login: { accountId: form.get('user') } };
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
}

async function text(request) {
  let all = '';
  for await (const part of request) all += part;
  return all;
}

async function control(request, response) {
  const body = await text(request);
  if (request.url === '/test/set') Object.assign(settings, JSON.parse(body));
  if (request.url === '/test/revoke') stored = new Map();
  if (request.url === '/test/rotate') keys = newKeys();
  provider = create(url, keys);
  response.end();
}

const server = createServer((request, response) => {
  const fail = (error) => response.writeHead(500).end(String(error));
  if (request.url.startsWith('/test/')) control(request, response).catch(fail);
  else if (settings.down) request.socket.destroy();
  else if (request.url.startsWith('/interaction/')) interact(request, response).catch(fail);
  else provider.callback()(request, response);
});
let url = '';
let keys = newKeys();
/** @type {Provider} */
let provider;
server.listen(0, '127.0.0.1', () => {
  url = `http://127.0.0.1:${server.address().port}`;
  provider = create(url, keys);
  console.log(`issuer ${url}`);
});
process.stdin.on('end', () => process.exit(0)).resume();
