// The operations in the initial tabs of GraphiQL. Their texts are files of the folder `operations`.

/** @param {unknown} value */
const pretty = (value) => JSON.stringify(value, null, 2);

const TABS = [
  { file: 'inbox' },
  { file: 'accept', variables: { input: { driftId: 'ID OF A DRIFT', revision: 1, note: 'Resized on purpose' } } },
  { file: 'record', variables: { resourceId: 'ID OF A RESOURCE', version: 0 } },
  { file: 'watch' },
];

/**
 * Loads the operations. A tab whose file cannot be loaded says so.
 * @returns {Promise<{ query: string, variables?: string }[]>}
 */
export function loadTabs() {
  return Promise.all(
    TABS.map(async ({ file, variables }) => {
      const query = await load(`operations/${file}.graphql`);
      return variables === undefined ? { query } : { query, variables: pretty(variables) };
    }),
  );
}

/** @param {string} address */
async function load(address) {
  try {
    const response = await fetch(address);
    return response.ok ? await response.text() : `# ${address} could not be loaded: ${response.status}\n`;
  } catch {
    return `# ${address} could not be loaded: the server cannot be reached\n`;
  }
}
