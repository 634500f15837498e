// The filter of the changes of the account, as the address has it.

/** @import { AccountChange } from './types.js' */

/** What a sync can see, in words. @type {{ [type in AccountChange['type']]: string }} */
export const TYPES = { APPEARED: 'appeared', CHANGED: 'changed', GONE: 'is gone', RETURNED: 'returned' };

/**
 * Returns the filter of the parameters of the address. A type that does not exist filters nothing.
 * @param {{ [name: string]: string }} own
 */
export function filterOf({ type = '', resource = '', kind, field, region, source }) {
  const known = Object.keys(TYPES).find((one) => one === type.toUpperCase());
  return {
    ...(known === undefined ? {} : { type: [known] }),
    ...(resource === '' ? {} : { resourceId: resource }),
    ...Object.fromEntries(Object.entries({ kind, field, region, source }).filter(([, value]) => value !== undefined && value !== '')),
  };
}
