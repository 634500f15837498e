// The operations of the view of leftovers that are not in queries.js.

export const LEFTOVER_PROVIDERS = 'query LeftoverProviders { leftoverSummary(olderThanDays: 0) { providers } coverage { provider } }';
