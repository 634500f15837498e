// The name of the user in decisions, for the filter `assignee:me`. The address has the word, so that a link is about who opens it.

/** The name of users whose tokens have no email address. */
const OPERATOR = 'operator';

let name = OPERATOR;

/** @param {string | null} email */
export function setMe(email) {
  name = email ?? OPERATOR;
}

/** Returns the name of the user in decisions. */
export function me() {
  return name;
}

/**
 * Returns the assignee that a word means.
 * @param {string} word `me`, or the name of a user
 */
export function assigneeOf(word) {
  return word.toLowerCase() === 'me' ? name : word;
}
