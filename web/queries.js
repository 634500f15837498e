// The GraphQL operations of the page. Written by `npm run operations` out of operations/page: change the files there.

const F_BULK = `
fragment Bulk on BulkRun {
  id total done refused pending finishedAt
}`;

const F_DELIVERY = `
fragment Delivery on NotificationDelivery {
  id messageId kind state attemptCount createdAt nextAttemptAt endedAt statusCode error target { id name }
  attempts { number startedAt endedAt statusCode error }
}`;

const F_PREVIEWED = `
fragment Previewed on Drift {
  id kind field expected actual redacted changes { path line kind before after } changesTruncated status revision severity severityRule snoozed
}`;

const F_ROW = `
fragment Row on Drift {
  id kind address field expected actual redacted changes { path line kind before after } changesTruncated status revision severity severityRule
  detectedAt resolvedAt resolvedBy resolutionNote closeReason undoneAt undoneBy flapping
  snoozed snoozedBy snoozedUntil snoozedUntilChange snoozeReason assignee
  resource {
    id kind name region providerId source
    provisioned { id specVersion source { name } recordedBy recordedAt }
  }
}`;

const F_RULE = `
fragment Rule on IgnoreRule {
  id name readable field kind source region tag namePattern resourceId resource { id name providerId }
  where { field value } pointer live livePattern sameMinorVersion between openAfterSweeps reason owner origin createdBy createdAt
  expiresAt endedAt endedBy endReason hits lastHitAt ignoredCount attention
}`;

const F_RUN = `
fragment Run on JobRun {
  id job source trigger scheduledFor startedAt finishedAt outcome error
  syncCounts { resources discovered changed gone superseded skipped kinds { kind outcome resources reason } }
  sweepCounts { resources fieldsCompared opened changed staled skipped unsynced settling moved }
}`;

const F_VIEW = `
fragment View on SavedView {
  viewId name link author isOwn isDefault shared
}`;

export const ACCEPT_MEMBERS = `mutation AcceptMembers($input: AcceptDriftMembersInput!) {
  acceptDriftMembers(input: $input) { accepted { id } drift { id } warning }
}`;

export const ACCEPT = `mutation Accept($input: AcceptDriftInput!) {
  acceptDrift(input: $input) { drift { ...Row } provisioned { specVersion } warning replayed }
}${F_ROW}`;

export const ACCOUNT_CHANGES = `query AccountChanges($filter: InventoryChangeFilter, $first: Int, $after: String) {
  changes(filter: $filter, first: $first, after: $after) {
    nodes { id type kind region field before after hasValues redacted seenAt resource { id name providerId } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}`;

export const ADD_COMMENT = `mutation AddComment($input: AddCommentInput!) { addComment(input: $input) { comment { id } } }`;

export const APPLY_PRESET = `mutation ApplyPreset($input: ApplyIgnoreRulePresetInput!) {
  applyIgnoreRulePreset(input: $input) { closed rule { id } }
}`;

export const BULK_REFUSED = `query BulkRefused($id: ID!) { bulkRun(id: $id) { items(outcome: REFUSED) { driftId field code message } } }`;

export const BULK_RUN = `query BulkRun($id: ID!) { bulkRun(id: $id) { ...Bulk } }${F_BULK}`;

export const COVERAGE = `query Coverage { coverage { provider kind managed unmanaged drifted missing owned waiting } }`;

export const CREATE_RULE = `mutation CreateRule($input: CreateIgnoreRuleInput!) { createIgnoreRule(input: $input) { closed rule { id } } }`;

export const CREATE_TARGET = `mutation CreateTarget($input: CreateNotificationTargetInput!) { createNotificationTarget(input: $input) { secret target { id } } }`;

export const DELETE_TARGET = `mutation DeleteTarget($input: DeleteNotificationTargetInput!) { deleteNotificationTarget(input: $input) { targetId } }`;

export const DELETE_VIEW = `mutation DeleteView($input: DeleteSavedViewInput!) { deleteSavedView(input: $input) { viewId } }`;

export const DELIVERIES = `query Deliveries($target: ID, $state: NotificationState, $first: Int, $after: String) {
  notificationDeliveries(targetId: $target, state: $state, first: $first, after: $after) { nodes { ...Delivery } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } }
}${F_DELIVERY}`;

export const DELIVERY_BODY = `query DeliveryBody($id: ID!) { node(id: $id) { ... on NotificationDelivery { body } } }`;

export const DETECT = `mutation Detect($input: DetectDriftInput!) { detectDrift(input: $input) { run { ...Run } } }${F_RUN}`;

export const DRIFT_CHANGED = `subscription DriftChanged($filter: DriftFilter) {
  driftChanged(filter: $filter) { ...Row }
}${F_ROW}`;

export const DRIFT_ROW = `query DriftRow($id: ID!) { drift(id: $id) { ...Row } }${F_ROW}`;

export const DRIFT = `query DriftDetail($id: ID!) {
  drift(id: $id) {
    ...Row lastSeenEqualAt firstSeenDifferentAt windowBasis
    cloudActions(first: 10) { nodes { id actionId type status startedAt completedAt } }
    terraformLines occurrences predecessor { id } closedByRule { id name reason createdBy }
    resource {
      provisioned { source { kind lineage serial } }
      provider urn sizeSlug status ip vpcUuid projectId tags attrs firstSeenAt syncedAt goneAt
      open: drifts(first: 50) { nodes { id kind field expected actual redacted changes { path line kind before after } changesTruncated status detectedAt resolvedAt resolvedBy resolutionNote } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } }
      resolved: drifts(filter: { status: [ACCEPTED, REVERTED, STALE] }, first: 10) { nodes { id kind field expected actual redacted changes { path line kind before after } changesTruncated status detectedAt resolvedAt resolvedBy resolutionNote } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } }
      events(first: 20) { nodes { id type actor data occurredAt } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } }
    }
  }
}${F_ROW}`;

export const EMPTY_INBOX = `query Standing {
  coverage { managed unmanaged }
  snoozed: drifts(filter: { snoozed: true }, first: 1) { totalCount }
  freshness { vouched neverSynced neverListed settling sweepOverdue stale { source provider kind completedAt reason fields } lastSweep { ...Run } }
  syncs: jobRuns(job: SYNC_INVENTORY, first: 1) { nodes { ...Run } }
  sources { name kind state lastSuccessAt reason schedule expectedInterval }
}${F_RUN}`;

export const END_RULE = `mutation EndRule($input: EndIgnoreRuleInput!) { endIgnoreRule(input: $input) { opened rule { id } } }`;

export const EXECUTE_BULK = `mutation ExecuteBulk($input: ExecuteBulkInput!) { executeBulk(input: $input) { run { ...Bulk } } }${F_BULK}`;

export const EXPLAIN = `query Explain($id: ID!, $field: String!) {
  explain(resourceId: $id, field: $field) {
    field verdict sentence inSpec expected actual redacted actualFrom expectedForm actualForm normalizations notCompared specVersion
    staleReason staleSince ignoredBy { id name reason } openDrift { id kind field }
  }
}`;

export const FACETS = `query Facets($filter: DriftFilter) {
  driftFacets(filter: $filter) {
    resourceKinds { value count } regions { value count } fields { value count }
  }
}`;

export const FIELDS = `query Fields($id: ID!) { resource(id: $id) { attrs provisioned { spec } } }`;

export const GROUP_TOTAL = `query GroupTotal($filter: DriftFilter) { driftGroups(filter: $filter, first: 1) { totalCount } }`;

export const GROUPS = `query Groups($filter: DriftFilter, $first: Int, $after: String, $before: String) {
  driftGroups(filter: $filter, first: $first, after: $after, before: $before) {
    nodes { key field resourceKind count resourceCount firstDetectedAt lastDetectedAt newest { ...Row } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}${F_ROW}`;

export const IGNORED = `query Ignored($rule: ID!, $first: Int, $after: String) {
  ignoredDifferences(ruleId: $rule, first: $first, after: $after) {
    nodes { id field expected actual redacted ignoredAt resource { id kind name region providerId source } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}`;

export const LEFTOVER_PROVIDERS = `query LeftoverProviders { leftoverSummary(olderThanDays: 0) { providers } coverage { provider } }`;

export const LEFTOVER_SUMMARY = `query LeftoverSummary($days: Int) {
  leftoverSummary(olderThanDays: $days) { leftovers unknown unpriced monthlyPrice { amount currency } checkedAt }
}`;

export const LEFTOVERS = `query Leftovers($filter: LeftoverFilter, $days: Int, $first: Int, $after: String) {
  leftovers(filter: $filter, olderThanDays: $days, first: $first, after: $after) {
    nodes { id why unknownBecause since monthlyPrice { amount currency } resource { id kind name region providerId } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}`;

export const MARK_REVERTING = `mutation MarkReverting($input: MarkRevertingInput!) { markReverting(input: $input) { drift { id } } }`;

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

export const MEMBERS = `query Members($id: ID!) { drift(id: $id) { id status revision members { side value } } }`;

export const MORE_EVENTS = `query MoreEvents($id: ID!, $after: String) {
  resource(id: $id) { events(first: 50, after: $after) { nodes { id type actor data occurredAt } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }
}`;

export const PAGE = `query Page($filter: DriftFilter, $orderBy: DriftOrder, $first: Int, $after: String, $before: String) {
  drifts(filter: $filter, orderBy: $orderBy, first: $first, after: $after, before: $before) {
    nodes { ...Row } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}${F_ROW}`;

export const PLAN_REVERT = `query PlanRevert($id: ID!) {
  planRevert(driftId: $id) {
    fields { field outcome obstacle explanation drift { id revertingBy revertingAt } }
    calls { method path body effect doctl curl note source placeholders { text meaning } }
    terraform { address plan apply }
    closing { source nextSyncAt nextSweepAt }
  }
}`;

export const PRESETS = `query Presets {
  ignoreRulePresets { name reason source kind field pointer rule { id } preview { openCount pastCount truncated } }
}`;

export const PREVIEW_ACCEPT = `mutation PreviewAccept($input: PreviewAcceptDriftsInput!) {
  preview: previewAcceptDrifts(input: $input) { token matching closed { driftId } resources { retiresSpec warning resource { id kind name region providerId } drifts { drift { ...Previewed } } } }
}${F_PREVIEWED}`;

export const PREVIEW_BULK = `mutation PreviewBulk($input: PreviewBulkInput!) {
  preview: previewBulk(input: $input) { token matching fields closed { driftId } resources { resource { id kind name region providerId } drifts { drift { ...Previewed } } } }
}${F_PREVIEWED}`;

export const PREVIEW_RULE = `query PreviewRule($definition: IgnoreRuleDefinitionInput!) { previewIgnoreRule(definition: $definition) { openCount resourceCount pastCount truncated } }`;

export const PREVIEW_TAKE = `mutation PreviewTake($input: PreviewBulkInput!) { previewBulk(input: $input) { token matching resources { drifts { drift { id } } } } }`;

export const REPLACE_RULE = `mutation ReplaceRule($input: ReplaceIgnoreRuleInput!) {
  replaceIgnoreRule(input: $input) { closed opened rule { id } }
}`;

export const RESEND = `mutation Resend($input: ResendNotificationInput!) { resendNotification(input: $input) { delivery { ...Delivery } } }${F_DELIVERY}`;

export const RESOURCE_HEAD = `query ResourceHead($id: ID!) {
  resource(id: $id) {
    id kind name region providerId source
    provisioned { id specVersion source { name } recordedBy recordedAt }
    open: drifts(first: 20) { nodes { id kind field } }
  }
}`;

export const RULE = `query Rule($id: ID!) { node(id: $id) { ... on IgnoreRule { ...Rule } } }${F_RULE}`;

export const RULES = `query Rules($inForce: Boolean, $first: Int, $after: String) {
  ignoreRules(inForce: $inForce, first: $first, after: $after) { totalCount nodes { ...Rule } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } }
}${F_RULE}`;

export const RUN_BY_ID = `query Run($id: ID!) { node(id: $id) { ... on JobRun { ...Run } } }${F_RUN}`;

export const RUN_CHANGED = `subscription RunChanged { jobRunChanged { ...Run } }${F_RUN}`;

export const RUNS = `query Runs($job: Job, $first: Int, $after: String) {
  jobRuns(job: $job, first: $first, after: $after) { nodes { ...Run } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } }
}${F_RUN}`;

export const SAVE_VIEW = `mutation SaveView($input: SaveViewInput!) { saveView(input: $input) { view { ...View } } }${F_VIEW}`;

export const SAVED_VIEWS = `query SavedViews { savedViews { ...View } }${F_VIEW}`;

export const SCHEDULES = `query Schedules { jobSchedules { job source cron nextRunAt } }`;

export const SET_DEFAULT_VIEW = `mutation SetDefaultView($input: SetDefaultViewInput!) { setDefaultView(input: $input) { viewId } }`;

export const SNOOZE = `mutation Snooze($input: SnoozeDriftInput!) { snoozeDrift(input: $input) { drift { ...Row } } }${F_ROW}`;

export const SOURCES = `query Sources { sources { name kind state lastSuccessAt reason schedule expectedInterval } }`;

export const SPEC_AT = `query SpecAt($id: ID!, $version: Int!) { resource(id: $id) { specAt(version: $version) { spec } } }`;

export const SPEC_DIFFERENCE = `query SpecDifference($id: ID!, $from: Int!, $to: Int!) {
  specDifference(resourceId: $id, from: $from, to: $to) {
    fieldCount from { specVersion } to { specVersion }
    fields { field kind before after redacted changes { path line kind before after } changesTruncated }
  }
}`;

export const SPEC_VERSIONS = `query SpecVersions($id: ID!, $first: Int, $after: String) {
  resource(id: $id) {
    specVersions(first: $first, after: $after) {
      nodes { specVersion recordedBy recordedAt reason retired supersededAt source { kind name address } drifts { ...Row } undoneDrifts { id kind field } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
  }
}${F_ROW}`;

export const SYNC = `mutation Sync($input: SyncInventoryInput!) { syncInventory(input: $input) { run { ...Run } } }${F_RUN}`;

export const TAKE = `mutation Take($input: TakeDriftInput!) { takeDrift(input: $input) { drift { ...Row } } }${F_ROW}`;

export const TARGETS = `query Targets { notificationTargets(first: 100) { nodes { id name kind host method enabled digestAt nextDigestAt previousSecretUntil updatedAt updatedBy
  filter { transitions resourceKinds fields regions sources minSeverity } } } }`;

export const TEST_TARGET = `mutation TestTarget($input: SendTestNotificationInput!) { sendTestNotification(input: $input) { delivery { ...Delivery } } }${F_DELIVERY}`;

export const TOTAL = `query Total($filter: DriftFilter) { drifts(filter: $filter, first: 1) { totalCount } }`;

export const UNASSIGN = `mutation Unassign($input: UnassignDriftInput!) { unassignDrift(input: $input) { drift { ...Row } } }${F_ROW}`;

export const UNDO_BULK = `mutation UndoBulk($input: UndoBulkInput!) { undoBulk(input: $input) { undone refused { driftId code message } } }`;

export const UNDO = `mutation Undo($input: UndoAcceptInput!) {
  undoAccept(input: $input) { drift { ...Row } openDrift { id } }
}${F_ROW}`;

export const UNMARK_REVERTING = `mutation UnmarkReverting($input: UnmarkRevertingInput!) { unmarkReverting(input: $input) { drift { id } } }`;

export const UNSNOOZE = `mutation Unsnooze($input: UnsnoozeDriftInput!) { unsnoozeDrift(input: $input) { drift { ...Row } } }${F_ROW}`;

export const UPDATE_TARGET = `mutation UpdateTarget($input: UpdateNotificationTargetInput!) { updateNotificationTarget(input: $input) { secret target { id } } }`;

export const VIEWER = `query Viewer { viewer { id email roles } }`;
