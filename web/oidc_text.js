// The sentences about signing in at an OpenID Connect issuer.

import { visibleLine } from './format.js';
/** @import { IssuerOptions } from './types.js' */

/** Longest description of the issuer that is shown, in characters. */
const LONGEST = 200;

/**
 * Returns the name of an issuer: its host.
 * @param {string} issuer
 */
export function issuerName(issuer) {
  try {
    return new URL(issuer).host;
  } catch {
    return issuer;
  }
}

/**
 * Explains an error code of OAuth 2.0 and OpenID Connect.
 * @param {string} code
 * @param {string} name the name of the issuer
 * @param {string} [description] what the issuer says about the error
 */
export function errorSentence(code, name, description = '') {
  const says = description.trim() === '' ? '' : ` ${name} says: “${visibleLine(description.trim()).slice(0, LONGEST)}”`;
  switch (code) {
    case 'access_denied':
      return `You were not signed in: the sign-in was cancelled, or ${name} does not give you access.${says}`;
    case 'login_required':
    case 'interaction_required':
    case 'consent_required':
    case 'account_selection_required':
      return `${name} requires that you sign in again.`;
    case 'invalid_grant':
      return `${name} no longer accepts this sign-in: it took too long, or it was completed before. Sign in again.`;
    case 'invalid_scope':
      return `${name} does not know or does not allow a scope that this server requests. An operator has to correct DRIFT_OIDC_SCOPES.${says}`;
    case 'invalid_target':
      return `${name} does not know the resource that this server requests. An operator has to correct DRIFT_OIDC_PARAMETERS.${says}`;
    case 'invalid_client':
    case 'unauthorized_client':
      return `${name} does not accept this page as a client. It must be registered there as a public client (single-page application) with the id in DRIFT_OIDC_CLIENT_ID.${says}`;
    case 'temporarily_unavailable':
    case 'server_error':
      return `${name} cannot sign you in at the moment. Try again in a minute.${says}`;
    default:
      return `${name} refused the sign-in with the error ${visibleLine(code).slice(0, 60)}.${says}`;
  }
}

/**
 * Reads the claims of a token without checking them: they serve for explanations only.
 * @param {string} token
 * @returns {{ [claim: string]: any } | null} null if this is no JSON Web Token
 */
export function claimsOf(token) {
  const parts = token.split('.');
  if (parts.length !== 3) return null;
  try {
    const bytes = Uint8Array.from(atob((parts[1] ?? '').replaceAll('-', '+').replaceAll('_', '/')), (letter) => letter.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes));
    return claims !== null && typeof claims === 'object' && !Array.isArray(claims) ? claims : null;
  } catch {
    return null;
  }
}

/**
 * Explains why the server refuses a token that the issuer has just given to the page.
 * @param {string} token
 * @param {IssuerOptions} options
 * @param {number} now the time of the server in milliseconds
 */
export function refusedSentence(token, options, now) {
  const name = issuerName(options.issuer);
  const claims = claimsOf(token);
  const kind = options.token === 'id' ? 'ID token' : 'access token';
  if (claims === null) {
    return `You signed in at ${name}, but its ${kind} is not a JSON Web Token, so this server cannot check it. An operator has to request another one with DRIFT_OIDC_PARAMETERS, or to set DRIFT_OIDC_TOKEN=id.`;
  }
  if (claims['iss'] !== options.issuer) {
    return `You signed in at ${name}, but its ${kind} names the issuer “${shortText(claims['iss'])}”, and this server accepts “${options.issuer}”. An operator has to correct DRIFT_OIDC_ISSUER or the version of the tokens at the issuer.`;
  }
  const audiences = Array.isArray(claims['aud']) ? claims['aud'] : [claims['aud']];
  if (!audiences.includes(options.audience)) {
    return `You signed in at ${name}, but its ${kind} is for “${shortText(audiences.join(', '))}”, and this server accepts tokens for “${options.audience}”. An operator has to correct DRIFT_OIDC_AUDIENCE, or to request another audience with DRIFT_OIDC_PARAMETERS.`;
  }
  const seconds = now / 1000;
  if (claims['exp'] <= seconds || claims['nbf'] > seconds || claims['iat'] > seconds) return clockSentence(name);
  return `You signed in at ${name}, but this server does not accept its ${kind}. The log of the server has the reason.`;
}

/** @param {string} name */
export function clockSentence(name) {
  return `The clocks of this server and of ${name} differ, so the sign-in is not valid yet or no longer valid. An operator has to set the clocks.`;
}

/** @param {string} name */
export function endedSentence(name) {
  return `Your session at ${name} has ended.`;
}

/** @param {string} name */
export function unreachableSentence(name) {
  return `Your browser cannot reach ${name}, or ${name} does not allow requests from this page (CORS).`;
}

/**
 * @param {'unreachable' | 'unusable'} problem
 * @param {string} name
 */
export function problemSentence(problem, name) {
  return problem === 'unreachable' ? `This server cannot reach ${name}, so you cannot sign in there at the moment.` : `${name} does not publish the addresses that the sign-in needs. The log of this server has the reason.`;
}

/** @param {unknown} value */
function shortText(value) {
  return visibleLine(String(value)).slice(0, LONGEST);
}
