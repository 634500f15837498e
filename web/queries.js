// The GraphQL operations of the page.

const CHANGES = 'changes { path line kind before after } changesTruncated';
const ROW = `
  fragment Row on Drift {
    id kind address field expected actual redacted ${CHANGES} status revision severity severityRule
    detectedAt resolvedAt resolvedBy resolutionNote closeReason undoneAt undoneBy flapping
    snoozed snoozedBy snoozedUntil snoozedUntilChange snoozeReason assignee
    resource {
      id kind name region providerId source
      provisioned { id specVersion source { name } recordedBy recordedAt }
    }
  }`;

const PAGE_INFO = 'pageInfo { hasNextPage hasPreviousPage startCursor endCursor }';
const RUN = `id job source trigger scheduledFor startedAt finishedAt outcome error
  syncCounts { resources discovered changed gone superseded skipped kinds { kind outcome resources reason } }
  sweepCounts { resources fieldsCompared opened changed staled skipped unsynced settling moved }`;
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
  acceptDrift(input: $input) { drift { ...Row } provisioned { specVersion } warning replayed }
}${ROW}`;

export const MEMBERS = 'query Members($id: ID!) { drift(id: $id) { id status revision members { side value } } }';

export const ACCEPT_MEMBERS = `mutation AcceptMembers($input: AcceptDriftMembersInput!) {
  acceptDriftMembers(input: $input) { accepted { id } drift { id } warning }
}`;

export const SNOOZE = `mutation Snooze($input: SnoozeDriftInput!) { snoozeDrift(input: $input) { drift { ...Row } } }${ROW}`;
export const UNSNOOZE = `mutation Unsnooze($input: UnsnoozeDriftInput!) { unsnoozeDrift(input: $input) { drift { ...Row } } }${ROW}`;
export const TAKE = `mutation Take($input: TakeDriftInput!) { takeDrift(input: $input) { drift { ...Row } } }${ROW}`;
export const UNASSIGN = `mutation Unassign($input: UnassignDriftInput!) { unassignDrift(input: $input) { drift { ...Row } } }${ROW}`;
export const ADD_COMMENT = 'mutation AddComment($input: AddCommentInput!) { addComment(input: $input) { comment { id } } }';
export const UNDO = `mutation Undo($input: UndoAcceptInput!) {
  undoAccept(input: $input) { drift { ...Row } openDrift { id } }
}${ROW}`;

const PREVIEWED = `id kind field expected actual redacted ${CHANGES} status revision severity severityRule snoozed`;
const PREVIEWED_RESOURCE = `resource { id kind name region providerId } drifts { drift { ${PREVIEWED} } }`;
export const PREVIEW_ACCEPT = `mutation PreviewAccept($input: PreviewAcceptDriftsInput!) {
  preview: previewAcceptDrifts(input: $input) { token matching closed { driftId } resources { retiresSpec warning ${PREVIEWED_RESOURCE} } }
}`;
export const PREVIEW_BULK = `mutation PreviewBulk($input: PreviewBulkInput!) {
  preview: previewBulk(input: $input) { token matching fields closed { driftId } resources { ${PREVIEWED_RESOURCE} } }
}`;
/** The preview of a decision that is executed without being shown. */
export const PREVIEW_TAKE = 'mutation PreviewTake($input: PreviewBulkInput!) { previewBulk(input: $input) { token matching resources { drifts { drift { id } } } } }';
const BULK = 'id total done refused pending finishedAt';
export const EXECUTE_BULK = `mutation ExecuteBulk($input: ExecuteBulkInput!) { executeBulk(input: $input) { run { ${BULK} } } }`;
export const BULK_RUN = `query BulkRun($id: ID!) { bulkRun(id: $id) { ${BULK} } }`;
export const BULK_REFUSED = 'query BulkRefused($id: ID!) { bulkRun(id: $id) { items(outcome: REFUSED) { driftId field code message } } }';
export const UNDO_BULK = 'mutation UndoBulk($input: UndoBulkInput!) { undoBulk(input: $input) { undone refused { driftId code message } } }';

export const GROUPS = `query Groups($filter: DriftFilter, $first: Int, $after: String, $before: String) {
  driftGroups(filter: $filter, first: $first, after: $after, before: $before) {
    nodes { key field resourceKind count resourceCount firstDetectedAt lastDetectedAt newest { ...Row } } ${PAGE_INFO}
  }
}${ROW}`;
export const GROUP_TOTAL = 'query GroupTotal($filter: DriftFilter) { driftGroups(filter: $filter, first: 1) { totalCount } }';

const VIEW = 'viewId name link author isOwn isDefault shared';
export const SAVED_VIEWS = `query SavedViews { savedViews { ${VIEW} } }`;
export const SAVE_VIEW = `mutation SaveView($input: SaveViewInput!) { saveView(input: $input) { view { ${VIEW} } } }`;
export const DELETE_VIEW = 'mutation DeleteView($input: DeleteSavedViewInput!) { deleteSavedView(input: $input) { viewId } }';
export const SET_DEFAULT_VIEW = 'mutation SetDefaultView($input: SetDefaultViewInput!) { setDefaultView(input: $input) { viewId } }';

const PREVIEW = 'openCount resourceCount pastCount truncated';
export const PREVIEW_RULE = `query PreviewRule($definition: IgnoreRuleDefinitionInput!) { previewIgnoreRule(definition: $definition) { ${PREVIEW} } }`;
export const CREATE_RULE = 'mutation CreateRule($input: CreateIgnoreRuleInput!) { createIgnoreRule(input: $input) { closed rule { id } } }';
export const END_RULE = 'mutation EndRule($input: EndIgnoreRuleInput!) { endIgnoreRule(input: $input) { opened rule { id } } }';

const RULE_FIELDS = `id name readable field kind source region tag namePattern resourceId resource { id name providerId }
  where { field value } pointer live livePattern sameMinorVersion between openAfterSweeps reason owner origin createdBy createdAt
  expiresAt endedAt endedBy endReason hits lastHitAt ignoredCount attention`;
export const RULES = `query Rules($inForce: Boolean, $first: Int, $after: String) {
  ignoreRules(inForce: $inForce, first: $first, after: $after) { totalCount nodes { ${RULE_FIELDS} } ${PAGE_INFO} }
}`;
export const RULE = `query Rule($id: ID!) { node(id: $id) { ... on IgnoreRule { ${RULE_FIELDS} } } }`;
export const IGNORED = `query Ignored($rule: ID!, $first: Int, $after: String) {
  ignoredDifferences(ruleId: $rule, first: $first, after: $after) {
    nodes { id field expected actual redacted ignoredAt resource { id kind name region providerId source } } ${PAGE_INFO}
  }
}`;
export const PRESETS = `query Presets {
  ignoreRulePresets { name reason source kind field pointer rule { id } preview { openCount pastCount truncated } }
}`;
export const APPLY_PRESET = `mutation ApplyPreset($input: ApplyIgnoreRulePresetInput!) {
  applyIgnoreRulePreset(input: $input) { closed rule { id } }
}`;
export const REPLACE_RULE = `mutation ReplaceRule($input: ReplaceIgnoreRuleInput!) {
  replaceIgnoreRule(input: $input) { closed opened rule { id } }
}`;

const TARGET = `id name kind host method enabled digestAt nextDigestAt previousSecretUntil updatedAt updatedBy
  filter { transitions resourceKinds fields regions sources minSeverity }`;
const DELIVERY = `id messageId kind state attemptCount createdAt nextAttemptAt endedAt statusCode error target { id name }
  attempts { number startedAt endedAt statusCode error }`;
export const TARGETS = `query Targets { notificationTargets(first: 100) { nodes { ${TARGET} } } }`;
export const DELIVERIES = `query Deliveries($target: ID, $state: NotificationState, $first: Int, $after: String) {
  notificationDeliveries(targetId: $target, state: $state, first: $first, after: $after) { nodes { ${DELIVERY} } ${PAGE_INFO} }
}`;
export const DELIVERY_BODY = 'query DeliveryBody($id: ID!) { node(id: $id) { ... on NotificationDelivery { body } } }';
export const CREATE_TARGET = 'mutation CreateTarget($input: CreateNotificationTargetInput!) { createNotificationTarget(input: $input) { secret target { id } } }';
export const UPDATE_TARGET = 'mutation UpdateTarget($input: UpdateNotificationTargetInput!) { updateNotificationTarget(input: $input) { secret target { id } } }';
export const DELETE_TARGET = 'mutation DeleteTarget($input: DeleteNotificationTargetInput!) { deleteNotificationTarget(input: $input) { targetId } }';
export const TEST_TARGET = `mutation TestTarget($input: SendTestNotificationInput!) { sendTestNotification(input: $input) { delivery { ${DELIVERY} } } }`;
export const RESEND = `mutation Resend($input: ResendNotificationInput!) { resendNotification(input: $input) { delivery { ${DELIVERY} } } }`;

export const EXPLAIN = `query Explain($id: ID!, $field: String!) {
  explain(resourceId: $id, field: $field) {
    field verdict sentence inSpec expected actual redacted actualFrom expectedForm actualForm normalizations notCompared specVersion
    staleReason staleSince ignoredBy { id name reason } openDrift { id kind field }
  }
}`;
export const FIELDS = 'query Fields($id: ID!) { resource(id: $id) { attrs provisioned { spec } } }';
export const RESOURCE_HEAD = `query ResourceHead($id: ID!) {
  resource(id: $id) {
    id kind name region providerId source
    provisioned { id specVersion source { name } recordedBy recordedAt }
    open: drifts(first: 20) { nodes { id kind field } }
  }
}`;
const VERSION = 'specVersion recordedBy recordedAt reason retired supersededAt source { kind name address }';
export const SPEC_VERSIONS = `query SpecVersions($id: ID!, $first: Int, $after: String) {
  resource(id: $id) {
    specVersions(first: $first, after: $after) {
      nodes { ${VERSION} drifts { ...Row } undoneDrifts { id kind field } } ${PAGE_INFO}
    }
  }
}${ROW}`;
export const SPEC_AT = 'query SpecAt($id: ID!, $version: Int!) { resource(id: $id) { specAt(version: $version) { spec } } }';
export const SPEC_DIFFERENCE = `query SpecDifference($id: ID!, $from: Int!, $to: Int!) {
  specDifference(resourceId: $id, from: $from, to: $to) {
    fieldCount from { specVersion } to { specVersion }
    fields { field kind before after redacted ${CHANGES} }
  }
}`;

export const DRIFT_CHANGED = `subscription DriftChanged($filter: DriftFilter) {
  driftChanged(filter: $filter) { ...Row }
}${ROW}`;

export const RUNS = `query Runs($job: Job, $first: Int, $after: String) {
  jobRuns(job: $job, first: $first, after: $after) { nodes { ${RUN} } ${PAGE_INFO} }
}`;

export const RUN_CHANGED = `subscription RunChanged { jobRunChanged { ${RUN} } }`;

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
  snoozed: drifts(filter: { snoozed: true }, first: 1) { totalCount }
  freshness { vouched neverSynced neverListed settling sweepOverdue stale { source provider kind completedAt reason fields } lastSweep { ${RUN} } }
  syncs: jobRuns(job: SYNC_INVENTORY, first: 1) { nodes { ${RUN} } }
  sources { name kind state lastSuccessAt reason schedule expectedInterval }
}`;

export const PLAN_REVERT = `query PlanRevert($id: ID!) {
  planRevert(driftId: $id) {
    fields { field outcome obstacle explanation drift { id revertingBy revertingAt } }
    calls { method path body effect doctl curl note source placeholders { text meaning } }
    terraform { address plan apply }
    closing { source nextSyncAt nextSweepAt }
  }
}`;

export const MARK_REVERTING = 'mutation MarkReverting($input: MarkRevertingInput!) { markReverting(input: $input) { drift { id } } }';

export const UNMARK_REVERTING = 'mutation UnmarkReverting($input: UnmarkRevertingInput!) { unmarkReverting(input: $input) { drift { id } } }';

export const LEFTOVERS = `query Leftovers($filter: LeftoverFilter, $days: Int, $first: Int, $after: String) {
  leftovers(filter: $filter, olderThanDays: $days, first: $first, after: $after) {
    nodes { id why unknownBecause since monthlyPrice { amount currency } resource { id kind name region providerId } } ${PAGE_INFO}
  }
}`;

export const LEFTOVER_SUMMARY = `query LeftoverSummary($days: Int) {
  leftoverSummary(olderThanDays: $days) { leftovers unknown unpriced monthlyPrice { amount currency } checkedAt }
}`;

export const MEASURES = `query Measures($from: DateTime!, $to: DateTime!) {
  measures(from: $from, to: $to, groupBy: [SOURCE, KIND]) {
    truncated groupCount
    total { ...M days { date opened closed } }
    groups { source kind ...M }
  }
}
  fragment M on MeasureGroup {
    opened closed
    timeToResolve { count medianSeconds p90Seconds longestSeconds }
    openAge { count medianSeconds p90Seconds longestSeconds }
  }`;
