//! Puts GraphiQL's files into the binary where `scripts/graphiql` has fetched them.

use std::path::Path;

/// What `src/http/graphiql.rs` embeds.
const FILES: [&str; 4] = [
    "react.production.min.js",
    "react-dom.production.min.js",
    "graphiql.min.js",
    "graphiql.min.css",
];

fn main() {
    // The folder above, because cargo takes one that is missing for one that has changed.
    println!("cargo::rerun-if-changed=web/graphiql");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(graphiql_embedded)");
    let vendor = Path::new("web/graphiql/vendor");
    if FILES.iter().all(|file| vendor.join(file).is_file()) {
        println!("cargo::rustc-cfg=graphiql_embedded");
    }
}
