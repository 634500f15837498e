//! Embeds the files of GraphiQL in the binary if `scripts/graphiql` has fetched them.

use std::path::Path;

/// The files that `src/http/graphiql.rs` embeds.
const FILES: [&str; 4] = [
    "react.production.min.js",
    "react-dom.production.min.js",
    "graphiql.min.js",
    "graphiql.min.css",
];

fn main() {
    // The parent folder, because cargo treats a missing path as changed and would rebuild every time.
    println!("cargo::rerun-if-changed=web/graphiql");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(graphiql_embedded)");
    let vendor = Path::new("web/graphiql/vendor");
    if FILES.iter().all(|file| vendor.join(file).is_file()) {
        println!("cargo::rustc-cfg=graphiql_embedded");
    }
}
