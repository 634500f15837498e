//! Reading over GraphQL: pages, filters, nested rows.
