// The operations in the initial tabs of GraphiQL.

/** @param {unknown} value */
const pretty = (value) => JSON.stringify(value, null, 2);

export const TABS = [
  {
    query: `# The inbox: open drifts, newest first.
# Press Ctrl-Enter to run the query.
query Inbox {
  drifts(first: 20) {
    totalCount
    nodes {
      id
      field
      expected
      actual
      revision
      resource {
        name
        kind
      }
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
`,
  },
  {
    query: `# Accepts a drift: makes the live value the
# expected one. Copy id and revision from the
# inbox. The accept fails if the drift has changed
# since that revision.
mutation Accept($input: AcceptDriftInput!) {
  acceptDrift(input: $input) {
    drift {
      id
      status
    }
    provisioned {
      specVersion
      spec
    }
  }
}
`,
    variables: pretty({ input: { driftId: 'ID OF A DRIFT', revision: 1, note: 'Resized on purpose' } }),
  },
  {
    query: `# Records the spec of a resource. Only the fields
# of the spec are compared.
# version: the current version of the spec, 0 if
# the resource has none.
# The spec is part of the operation, because
# GraphiQL reports an object in a JSON variable as
# an error.
mutation Record($resourceId: ID!, $version: Int) {
  recordSpec(
    input: {
      resourceId: $resourceId
      spec: { size_slug: "s-1vcpu-1gb", tags: ["web"] }
      expectedSpecVersion: $version
    }
  ) {
    provisioned {
      specVersion
      spec
    }
  }
}
`,
    variables: pretty({ resourceId: 'ID OF A RESOURCE', version: 0 }),
  },
  {
    query: `# Shows each drift as it is detected, changed or
# closed, until you stop the subscription.
subscription Watch {
  driftChanged {
    id
    status
    field
    expected
    actual
    resource {
      name
      kind
    }
  }
}
`,
  },
];
