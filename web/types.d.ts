// The types of the responses that the page uses. Only the type checker reads this file.
import type { ExactNumber } from './json.js';

export type Json = null | boolean | number | string | ExactNumber | Json[] | { [key: string]: Json };

export type DriftStatus = 'OPEN' | 'ACCEPTED' | 'REVERTED' | 'STALE';
export type DriftKind = 'CHANGED' | 'MISSING';
export type Severity = 'CRITICAL' | 'HIGH' | 'NORMAL' | 'LOW';
export type CloseReason =
  | 'ACCEPTED'
  | 'FIELD_REMOVED'
  | 'HEALED'
  | 'IGNORED'
  | 'NOT_COMPARED'
  | 'RESOURCE_GONE'
  | 'RESOURCE_RETURNED'
  | 'REVERTED'
  | 'SPEC_CHANGED'
  | 'SPEC_RETIRED';
export type RuleAttention = 'NEVER_HIT' | 'HIDES_MUCH' | 'EXPIRES_SOON';

export interface IgnoreRule {
  id: string;
  name: string | null;
  /** Whether the server can read what the rule covers. */
  readable: boolean;
  field: string;
  kind: string | null;
  source: string | null;
  region: string | null;
  tag: string | null;
  namePattern: string | null;
  resourceId: string | null;
  resource: Pick<ResourceHead, 'id' | 'name' | 'providerId'> | null;
  where: { field: string; value: Json } | null;
  pointer: string | null;
  live: Json[];
  livePattern: string | null;
  sameMinorVersion: boolean;
  /** Two fields, or none. */
  between: string[];
  /** The sweeps after which a difference opens nevertheless; null if the rule ignores it. */
  openAfterSweeps: number | null;
  reason: string;
  owner: string | null;
  origin: string;
  createdBy: string;
  createdAt: string;
  expiresAt: string | null;
  endedAt: string | null;
  endedBy: string | null;
  endReason: string | null;
  hits: number;
  lastHitAt: string | null;
  ignoredCount: number;
  attention: RuleAttention[];
}

export interface IgnoredDifference {
  id: string;
  field: string;
  expected: Json;
  actual: Json;
  redacted: boolean;
  ignoredAt: string;
  resource: ResourceHead | null;
}

export interface RulePreset {
  name: string;
  reason: string;
  source: string;
  kind: string | null;
  field: string;
  pointer: string | null;
  rule: { id: string } | null;
  preview: { openCount: number; pastCount: number; truncated: boolean };
}

export type TargetKind = 'WEBHOOK' | 'SLACK' | 'HEARTBEAT';
export type TransitionName =
  | 'DRIFT_DETECTED'
  | 'DRIFT_CHANGED'
  | 'DRIFT_ACCEPTED'
  | 'DRIFT_STALE'
  | 'DRIFT_REVERTED'
  | 'ACCEPT_UNDONE'
  | 'SOURCE_FAILED'
  | 'SOURCE_OVERDUE'
  | 'SOURCE_RECOVERED';

export interface NotificationFilter {
  transitions: TransitionName[];
  resourceKinds: string[];
  fields: string[];
  regions: string[];
  sources: string[];
  minSeverity: Severity | null;
}

export interface NotificationTarget {
  id: string;
  name: string;
  kind: TargetKind;
  host: string;
  method: 'GET' | 'POST';
  enabled: boolean;
  filter: NotificationFilter;
  digestAt: string | null;
  nextDigestAt: string | null;
  previousSecretUntil: string | null;
  updatedAt: string;
  updatedBy: string;
}

export interface NotificationAttempt {
  number: number;
  startedAt: string;
  endedAt: string | null;
  statusCode: number | null;
  error: string | null;
}

export interface NotificationDelivery {
  id: string;
  messageId: string;
  target: { id: string; name: string };
  kind: 'DRIFTS' | 'SOURCES' | 'DIGEST' | 'HEARTBEAT' | 'TEST';
  state: 'PENDING' | 'DELIVERED' | 'FAILED';
  attemptCount: number;
  attempts: NotificationAttempt[];
  createdAt: string;
  nextAttemptAt: string | null;
  endedAt: string | null;
  statusCode: number | null;
  error: string | null;
}

export interface Explanation {
  field: string;
  verdict: string;
  sentence: string;
  /** Whether the spec names the field. */
  inSpec: boolean;
  expected: Json;
  actual: Json;
  actualFrom: 'SCHEMA_FIELD' | 'ATTRIBUTE' | null;
  expectedForm: Json;
  actualForm: Json;
  normalizations: string[];
  notCompared: string[];
  specVersion: number | null;
  redacted: boolean;
  staleReason: string | null;
  staleSince: string | null;
  ignoredBy: { id: string; name: string | null; reason: string } | null;
  openDrift: Pick<Drift, 'id' | 'kind' | 'field'> | null;
}

export interface SpecVersion {
  specVersion: number;
  recordedBy: string;
  recordedAt: string;
  reason: string | null;
  /** Whether the version ended the spec. */
  retired: boolean;
  /** Null for the newest version. */
  supersededAt: string | null;
  source: { kind: 'API' | 'BASELINE' | 'TERRAFORM_STATE' | 'TERRAFORM_PLAN'; name: string | null; address: string | null };
  /** The drifts whose accepts made the version. */
  drifts: Drift[];
  undoneDrifts: Pick<Drift, 'id' | 'kind' | 'field'>[];
}

export interface SpecFieldChange {
  field: string;
  kind: 'ADDED' | 'REMOVED' | 'CHANGED';
  before: Json;
  after: Json;
  redacted: boolean;
  changes: ValueChange[];
  changesTruncated: boolean;
}

export interface SpecDifference {
  fieldCount: number;
  from: { specVersion: number };
  to: { specVersion: number };
  fields: SpecFieldChange[];
}

export type JobName = 'SYNC_INVENTORY' | 'DETECT_DRIFT';
export type JobOutcome = 'SUCCEEDED' | 'PARTIAL' | 'FAILED' | 'SKIPPED' | 'ABANDONED';

export interface SpecSource {
  /** The name of the Terraform state; null for other sources. */
  name: string | null;
}

export interface SpecSourceDetail extends SpecSource {
  kind: 'API' | 'BASELINE' | 'TERRAFORM_STATE' | 'TERRAFORM_PLAN';
  lineage: string | null;
  serial: number | null;
}

export interface SpecHead {
  id: string;
  specVersion: number;
  source: SpecSource;
  recordedBy: string;
  recordedAt: string;
}

export interface ResourceHead {
  id: string;
  kind: string;
  name: string | null;
  region: string | null;
  providerId: string;
  /** The name of the source that lists the resource. */
  source: string | null;
  provisioned: SpecHead | null;
}

/** A value inside a drifted field that was added, removed or changed. */
export interface ValueChange {
  path: string;
  line: number | null;
  kind: 'ADDED' | 'REMOVED' | 'CHANGED';
  before: Json;
  after: Json;
}

export interface Drift {
  id: string;
  kind: DriftKind;
  /** The Terraform address of the resource, if an import recorded one. */
  address: string | null;
  field: string;
  expected: Json;
  actual: Json;
  /** Whether the values are secret. They are null then, and there are no changes. */
  redacted: boolean;
  changes: ValueChange[];
  changesTruncated: boolean;
  status: DriftStatus;
  revision: number;
  severity: Severity;
  /** The name of the rule that decided the severity, if one did. */
  severityRule: string | null;
  detectedAt: string;
  resolvedAt: string | null;
  resolvedBy: string | null;
  resolutionNote: string | null;
  /** Null while the drift is open, and for drifts of releases without reasons. */
  closeReason: CloseReason | null;
  undoneAt: string | null;
  undoneBy: string | null;
  /** Whether it is left out of the inbox for now. Only an open drift is. */
  snoozed: boolean;
  snoozedBy: string | null;
  /** When the snooze ends at the latest; null if only a change ends it. */
  snoozedUntil: string | null;
  snoozedUntilChange: boolean;
  snoozeReason: string | null;
  /** The user who takes care of it. */
  assignee: string | null;
  /** Whether the field drifted and healed repeatedly in the week before. */
  flapping: boolean;
  resource: ResourceHead;
}

/** A change of the account that a sync saw. */
export interface AccountChange {
  id: string;
  type: 'APPEARED' | 'CHANGED' | 'GONE' | 'RETURNED';
  kind: string;
  region: string | null;
  /** `*` if the whole resource appeared, is gone or returned. */
  field: string;
  before: Json;
  after: Json;
  hasValues: boolean;
  redacted: boolean;
  seenAt: string;
  /** Null if the resource was deleted. */
  resource: { id: string; name: string | null; providerId: string } | null;
}

/** An action from the log that the provider keeps. */
export interface CloudAction {
  id: string;
  actionId: string;
  type: string;
  status: string;
  startedAt: string;
  completedAt: string | null;
}

export interface PageInfo {
  hasNextPage: boolean;
  hasPreviousPage: boolean;
  startCursor: string | null;
  endCursor: string | null;
}

export interface Connection<T> {
  nodes: T[];
  pageInfo: PageInfo;
}

export interface SiblingDrift {
  id: string;
  kind: DriftKind;
  field: string;
  expected: Json;
  actual: Json;
  /** Whether the values are secret. They are null then, and there are no changes. */
  redacted: boolean;
  changes: ValueChange[];
  changesTruncated: boolean;
  status: DriftStatus;
  detectedAt: string;
  resolvedAt: string | null;
  resolvedBy: string | null;
  resolutionNote: string | null;
}

export interface ResourceEvent {
  id: string;
  type: string;
  actor: string;
  data: { [key: string]: Json };
  occurredAt: string;
}

export interface ResourceDetail extends ResourceHead {
  provisioned: (SpecHead & { source: SpecSourceDetail }) | null;
  provider: string;
  urn: string;
  sizeSlug: string | null;
  status: string | null;
  ip: string | null;
  vpcUuid: string | null;
  projectId: string | null;
  tags: string[];
  attrs: { [key: string]: Json };
  firstSeenAt: string | null;
  syncedAt: string | null;
  goneAt: string | null;
  open: Connection<SiblingDrift>;
  resolved: Connection<SiblingDrift>;
  events: Connection<ResourceEvent>;
}

export interface DriftDetail extends Drift {
  /** The Terraform commands that put an open drift of a missing resource right. */
  terraformLines: string[];
  /** Drifts of this field in the 30 days up to the detection of this one, itself included. */
  occurrences: number;
  /** The last earlier drift of the same field. */
  predecessor: { id: string } | null;
  closedByRule: { id: string; name: string | null; reason: string; createdBy: string } | null;
  /** Start of the last listing that showed the expected value, if it is known. */
  lastSeenEqualAt: string | null;
  /** Since when the difference is known to exist. */
  firstSeenDifferentAt: string | null;
  /** Null if an earlier release opened the drift. */
  windowBasis: 'LIVE_CHANGED' | 'FIRST_LISTING' | 'SPEC_RECORDED' | 'NOT_RECORDED' | null;
  /** Actions on the resource between these times. */
  cloudActions: { nodes: CloudAction[] };
  resource: ResourceDetail;
}

/** A count is null if the run failed before it was known. */
export interface SyncCounts {
  resources: number | null;
  discovered: number | null;
  changed: number | null;
  gone: number | null;
  superseded: number | null;
  skipped: number | null;
  kinds: SyncKind[];
}

export interface SyncKind {
  kind: string;
  /** Null if the server does not know what a later release wrote. */
  outcome: 'COMPLETE' | 'INCOMPLETE' | 'NOT_READABLE' | 'SUPERSEDED' | null;
  resources: number | null;
  reason: string | null;
}

export interface SweepCounts {
  resources: number | null;
  fieldsCompared: number | null;
  opened: number | null;
  changed: number | null;
  staled: number | null;
  skipped: number | null;
  unsynced: number | null;
  settling: number | null;
  moved: number | null;
}

export interface JobRun {
  id: string;
  job: JobName;
  source: string | null;
  trigger: 'TICK' | 'CATCH_UP' | 'HAND' | null;
  scheduledFor: string | null;
  startedAt: string;
  finishedAt: string | null;
  outcome: JobOutcome | null;
  /** What a sync did; null for a detection, and until the run has ended. */
  syncCounts: SyncCounts | null;
  /** What a detection did; null for a sync, and until the run has ended. */
  sweepCounts: SweepCounts | null;
  error: string | null;
}

export type SourceKind = 'ACCOUNT' | 'FILE' | 'LINES' | 'TERRAFORM_PLAN';
export type SourceState = 'OK' | 'PARTIAL' | 'FAILED' | 'REFUSED' | 'OVERDUE' | 'NEVER';

export interface Source {
  name: string;
  kind: SourceKind;
  state: SourceState;
  lastSuccessAt: string | null;
  reason: string | null;
  schedule: string | null;
  /** In seconds. */
  expectedInterval: number | null;
}

export interface StaleKind {
  source: string | null;
  provider: string;
  kind: string;
  completedAt: string | null;
  reason: 'NEVER_LISTED' | 'INCOMPLETE' | 'NOT_READABLE' | 'OVERDUE' | 'IN_THE_FUTURE' | 'FIELDS_NOT_READABLE';
  fields: string[];
}

export interface Freshness {
  vouched: boolean;
  neverSynced: boolean;
  neverListed: number;
  settling: number;
  sweepOverdue: boolean;
  stale: StaleKind[];
  lastSweep: JobRun | null;
}

export interface JobSchedule {
  job: JobName;
  source: string | null;
  cron: string | null;
  nextRunAt: string | null;
}

export interface KindCoverage {
  provider: string;
  kind: string;
  managed: number;
  unmanaged: number;
  drifted: number;
  missing: number;
  owned: number;
  /** Differences that open no drift until more sweeps have seen them. */
  waiting: number;
}

export interface FacetCount {
  value: string;
  count: number;
}

export interface Facets {
  resourceKinds: FacetCount[];
  regions: FacetCount[];
  fields: FacetCount[];
}

export interface Viewer {
  id: string;
  email: string | null;
  roles: ('PLATFORM_ADMIN' | 'PLATFORM_VIEWER')[];
}

/** The ways to sign in, as `/sign-in.json` has them. */
export interface SignInWays {
  /** The time of the server in milliseconds since 1970. */
  time: number;
  /** When the page received this, in milliseconds since 1970 by its own clock. */
  received: number;
  /** Whether the server accepts tokens. */
  token: boolean;
  /** Whether operators of the server can create tokens. */
  ownTokens: boolean;
  /** Names of the headers with which a proxy signs users in. */
  proxy?: { user: string; roles: string };
  issuer?: IssuerOptions;
}

/** The OpenID Connect issuer, and this page as its client. */
export interface IssuerOptions {
  issuer: string;
  /** Required audience of the token that the page sends to the API. */
  audience: string;
  clientId: string;
  scopes: string;
  /** The token that the page sends to the API. */
  token: 'access' | 'id';
  /** Further parameters of the request. */
  parameters: [name: string, value: string][];
  endpoints?: {
    authorization: string;
    token: string;
    endSession?: string;
    algorithms: string[];
    namesItself: boolean;
  };
  /** Why there are no endpoints. */
  problem?: 'unreachable' | 'unusable';
}

/** What an issuer gave besides the token that is sent to the API. Times are in milliseconds since 1970. */
export interface Grant {
  refreshToken: string | null;
  idToken: string;
  /** Id of the user at the issuer. */
  subject: string;
  receivedAt: number;
  /** End of the token; null if unknown. */
  expiresAt: number | null;
}

/** The id of a row in views.js. */
export type View = string;

/** A filter by one value, which the drifts have or, if it is negated, do not have. */
export interface Chip {
  dimension: import('./dimensions.js').Dimension;
  value: string;
  negated: boolean;
}

export interface Filters {
  chips: Chip[];
  /** What to search for; empty for no search. */
  q: string;
}

export interface Route {
  view: View;
  filters: Filters;
  /** Whether the list shows one row for each cause. */
  group?: boolean;
  /** The values of the further parameters that the view reads from the address. */
  own?: { [parameter: string]: string };
  drift: string | null;
  /** The revision of the drift that the link names. */
  revision?: number;
}

export interface DriftFilterInput {
  status?: DriftStatus[];
  where?: { [property: string]: { in?: string[]; notIn?: string[] } };
  search?: string;
  /** Snoozed drifts only, or none of them; absent for both. */
  snoozed?: boolean;
  /** Drifts with an assignee only, or none of them; absent for both. */
  assigned?: boolean;
  /** The key of a group. */
  group?: string;
}

/** Drifts of one cause. */
export interface DriftGroup {
  key: string;
  field: string;
  resourceKind: string;
  count: number;
  resourceCount: number;
  firstDetectedAt: string;
  lastDetectedAt: string;
  /** Null if its row cannot be read. */
  newest: Drift | null;
}

/** The drifts that a preview of a bulk has. */
export type BulkInput = { filter: DriftFilterInput } | { driftIds: string[] };

export type BulkActionName = 'accept' | 'ignore' | 'snooze';

/** Several drifts to decide about at once. */
export interface Batch {
  /** Such as `3 selected drifts`. */
  what: string;
  /** The open drifts, as far as the page knows. */
  count: number;
  inputs: BulkInput[];
  /** A drift with the cause that all have; null if they have several causes. */
  example: Drift | null;
}

/** The objects and callbacks that the parts of the page share. */
export interface Context {
  api: import('./api.js').Api;
  router: import('./router.js').Router;
  session: import('./session.js').Session;
  sources: import('./sources.js').Sources;
  /** Opens the dialog that confirms an accept. In a review, the dialog shows the next drift after each decision. */
  accept(drift: Drift, review: boolean): void;
  /** Undoes the accept of a drift. */
  undo(drift: Drift): void;
  /** Opens the dialog that makes an ignore rule for drifts such as this one; with `cause`, for all of its cause. */
  ignore(drift: Drift, cause?: boolean): void;
  /** Opens the dialog that snoozes a drift. */
  snooze(drift: Drift): void;
  /** Assigns a drift to the user, or to no user if it is assigned to this one. */
  take(drift: Drift): void;
  /** Assigns several drifts to the user. */
  takeAll(batch: Batch): void;
  /** Opens the dialog that shows what a decision about several drifts would do, and executes it. */
  decideAll(name: BulkActionName, batch: Batch): void;
  /** The decisions of this session, which can be undone. */
  decisions: import('./decisions.js').Decisions;
  /** Reports that several drifts were decided, so that none is selected any more. */
  decided(): void;
  /** Opens the dialog that explains the comparison of a field; `*` is the whole resource. */
  explain(resource: Pick<ResourceHead, 'id' | 'name' | 'kind' | 'providerId'>, field: string): void;
  /** Opens the dialog that accepts some members of a list. */
  members(drift: Drift): void;
  /** Opens the dialog that shows how a drift is reverted. */
  plan(drift: Drift): void;
  /** Loads the shown drifts again, after a decision that opens or closes several. */
  refresh(): void;
  /** Returns the first open drift below a row of the list; null if there is none or a detail view is open. */
  next(id: string): Drift | null;
  /** Moves the focus to the row of a drift. */
  focus(id: string): void;
  /** Passes a changed drift to all parts of the page. */
  changed(drift: Drift): void;
  /** Reports the number of open drifts. */
  counted(open: number): void;
}

/** A member that only one of two lists has. */
export interface DriftMember {
  side: 'ADDED' | 'REMOVED';
  value: Json;
}

export interface RevertCall {
  method: string;
  path: string;
  body: Json;
  effect: string;
  doctl: string | null;
  curl: string | null;
  note: string;
  source: string;
  placeholders: { text: string; meaning: string }[];
}

export interface RevertPlan {
  fields: {
    field: string;
    outcome: 'CALLS' | 'CANNOT' | 'EQUAL' | 'NOT_EXPECTED';
    obstacle: string | null;
    explanation: string | null;
    drift: { id: string; revertingBy: string | null; revertingAt: string | null } | null;
  }[];
  calls: RevertCall[];
  terraform: { address: string; plan: string; apply: string } | null;
  closing: { source: string | null; nextSyncAt: string | null; nextSweepAt: string | null };
}

export interface Money {
  amount: string;
  currency: string;
}

export interface LeftoverSummary {
  leftovers: number;
  unknown: number;
  unpriced: number;
  monthlyPrice: Money;
  checkedAt: string | null;
}

export interface Leftover {
  id: string;
  why: string;
  unknownBecause: string | null;
  since: string;
  monthlyPrice: Money | null;
  resource: Pick<ResourceHead, 'id' | 'kind' | 'name' | 'region' | 'providerId'>;
}
