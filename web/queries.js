// The GraphQL operations of the page.

const CHANGES = 'changes { path line kind before after } changesTruncated';
const ROW = `
  fragment Row on Drift {
    id kind address field expected actual redacted ${CHANGES} status revision severity severityRule
    detectedAt resolvedAt resolvedBy resolutionNote closeReason undoneAt undoneBy flapping
    resource {
      id kind name region providerId source
      provisioned { id specVersion source { name } recordedBy recordedAt }
    }
  }`;

const PAGE_INFO = 'pageInfo { hasNextPage hasPreviousPage startCursor endCursor }';
const RUN = 'id job source trigger scheduledFor startedAt finishedAt outcome counts error';
const SIBLING = `id kind field expected actual redacted ${CHANGES} status detectedAt resolvedAt resolvedBy resolutionNote`;
const EVENTS = `nodes { id type actor data occurredAt } ${PAGE_INFO}`;

export const VIEWER = 'query Viewer { viewer { id email roles } }';

export const PAGE = `query Page($filter: DriftFilter, $orderBy: DriftOrder, $first: Int, $after: String, $before: String) {
  drifts(filter: $filter, orderBy: $orderBy, first: $first, after: $after, before: $before) {
    nodes { ...Row } ${PAGE_INFO}
  }
}${ROW}`;

export const TOTAL = 'query Total($filter: DriftFilter) { drifts(filter: $filter, first: 1) { totalCount } }';

export const FACETS = `query Facets($filter: DriftFilter) {
  driftFacets(filter: $filter) {
    resourceKinds { value count } regions { value count } fields { value count }
  }
}`;

export const DRIFT_ROW = `query DriftRow($id: ID!) { drift(id: $id) { ...Row } }${ROW}`;

export const DRIFT = `query DriftDetail($id: ID!) {
  drift(id: $id) {
    ...Row lastSeenEqualAt firstSeenDifferentAt windowBasis
    cloudActions(first: 10) { nodes { id actionId type status startedAt completedAt } }
    terraformLines occurrences predecessor { id } closedByRule { id name reason createdBy }
    resource {
      provisioned { source { kind lineage serial } }
      provider urn sizeSlug status ip vpcUuid projectId tags attrs firstSeenAt syncedAt goneAt
      open: drifts(first: 50) { nodes { ${SIBLING} } ${PAGE_INFO} }
      resolved: drifts(filter: { status: [ACCEPTED, REVERTED, STALE] }, first: 10) { nodes { ${SIBLING} } ${PAGE_INFO} }
      events(first: 20) { ${EVENTS} }
    }
  }
}${ROW}`;

export const MORE_EVENTS = `query MoreEvents($id: ID!, $after: String) {
  resource(id: $id) { events(first: 50, after: $after) { ${EVENTS} } }
}`;

export const ACCEPT = `mutation Accept($input: AcceptDriftInput!) {
  acceptDrift(input: $input) { drift { ...Row } provisioned { specVersion } warning }
}${ROW}`;

export const UNDO = `mutation Undo($input: UndoAcceptInput!) {
  undoAccept(input: $input) { drift { ...Row } openDrift { id } }
}${ROW}`;

const PREVIEW = 'openCount resourceCount pastCount truncated';
export const PREVIEW_RULE = `query PreviewRule($definition: IgnoreRuleDefinitionInput!) { previewIgnoreRule(definition: $definition) { ${PREVIEW} } }`;
export const CREATE_RULE = 'mutation CreateRule($input: CreateIgnoreRuleInput!) { createIgnoreRule(input: $input) { closed rule { id } } }';
export const END_RULE = 'mutation EndRule($input: EndIgnoreRuleInput!) { endIgnoreRule(input: $input) { opened rule { id } } }';

export const DRIFT_CHANGED = `subscription DriftChanged($filter: DriftFilter) {
  driftChanged(filter: $filter) { ...Row }
}${ROW}`;

export const RUNS = `query Runs($job: Job, $first: Int, $after: String) {
  jobRuns(job: $job, first: $first, after: $after) { nodes { ${RUN} } ${PAGE_INFO} }
}`;

export const SCHEDULES = 'query Schedules { jobSchedules { job source cron nextRunAt } }';
export const SOURCES = 'query Sources { sources { name kind state lastSuccessAt reason schedule expectedInterval } }';
export const RUN_BY_ID = `query Run($id: ID!) { node(id: $id) { ... on JobRun { ${RUN} } } }`;
export const SYNC = `mutation Sync($input: SyncInventoryInput!) { syncInventory(input: $input) { run { ${RUN} } } }`;
export const DETECT = `mutation Detect($input: DetectDriftInput!) { detectDrift(input: $input) { run { ${RUN} } } }`;

export const COVERAGE = 'query Coverage { coverage { provider kind managed unmanaged drifted missing owned waiting } }';
export const ACCOUNT_CHANGES = `query AccountChanges($filter: InventoryChangeFilter, $first: Int, $after: String) {
  changes(filter: $filter, first: $first, after: $after) {
    nodes { id type kind region field before after hasValues redacted seenAt resource { id name providerId } } ${PAGE_INFO}
  }
}`;

export const EMPTY_INBOX = `query Standing {
  coverage { managed unmanaged }
  freshness { vouched neverSynced neverListed settling sweepOverdue stale { source provider kind completedAt reason fields } lastSweep { ${RUN} } }
  syncs: jobRuns(job: SYNC_INVENTORY, first: 1) { nodes { ${RUN} } }
  sources { name kind state lastSuccessAt reason schedule expectedInterval }
}`;
