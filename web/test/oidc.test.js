import assert from 'node:assert/strict';
import { test } from 'node:test';

import { claimsOf, errorSentence, issuerName, refusedSentence } from '../oidc_text.js';

const tokenOf = (claims) => `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2ln`;
const options = { issuer: 'https://id.example.com/', audience: 'drift', clientId: 'page', scopes: 'openid', token: 'access', parameters: [] };
const now = Date.parse('2026-01-01T00:00:00Z');
const good = { iss: options.issuer, aud: ['drift', 'other'], exp: now / 1000 + 60, iat: now / 1000 - 1, name: 'Zoë' };

test('claims are read from JSON Web Tokens only', () => {
  assert.deepEqual(claimsOf(tokenOf(good)), good);
  for (const text of ['', 'opaque', 'a.b.c', 'a.b', tokenOf('text'), tokenOf([1]), `${tokenOf(good)}.more`]) assert.equal(claimsOf(text), null, text);
});

test('a refused token is explained by what is wrong with it', () => {
  const said = (changes) => refusedSentence(tokenOf({ ...good, ...changes }), options, now);
  assert.match(refusedSentence('opaque', options, now), /is not a JSON Web Token.*DRIFT_OIDC_TOKEN=id/);
  assert.match(said({ iss: 'https://id.example.com' }), /names the issuer “https:\/\/id.example.com”, and this server accepts “https:\/\/id.example.com\/”/);
  assert.match(said({ aud: 'account' }), /is for “account”, and this server accepts tokens for “drift”/);
  for (const changes of [{ exp: now / 1000 - 1 }, { nbf: now / 1000 + 90 }, { iat: now / 1000 + 90 }]) assert.match(said(changes), /clocks/);
  assert.match(said({}), /log of the server/);
  assert.match(said({ aud: '\u202Eevil' }), /is for “[^\u202E]*”/);
});

test('each error has a sentence with the name of the issuer', () => {
  const codes = ['access_denied', 'login_required', 'invalid_grant', 'invalid_scope', 'invalid_target', 'unauthorized_client', 'server_error', 'something_new'];
  for (const code of codes) assert.match(errorSentence(code, 'id.example.com'), /id\.example\.com.*\.$/, code);
  assert.match(errorSentence('access_denied', 'x', 'not\nallowed'), /x says: “[^\n]*”$/);
  assert.ok(errorSentence('x', 'x', 'long '.repeat(1000)).length < 400);
  assert.equal(issuerName('https://id.example.com:8443/realms/ops'), 'id.example.com:8443');
});
