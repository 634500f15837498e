// The operations that GraphiQL opens with.

/** @param {unknown} value */
const pretty = (value) => JSON.stringify(value, null, 2);

export const TABS = [
  {
    query: `# The inbox: every field whose live value
# is not what its spec says. Ctrl-Enter runs it.
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
    query: `# Makes the live value of one drift the desired one.
# Take id and revision from the inbox: the revision
# says which value you saw, and so accept.
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
    query: `# Writes down what a resource should be.
# Only the fields of the spec are watched.
# version: the version of the spec that you read,
# 0 if there is none yet.
# The spec stands in the operation: GraphiQL marks
# an object in a variable of the type JSON as wrong.
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
];
