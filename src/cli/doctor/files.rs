//! Checks that other users of the machine cannot read files with secrets.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use secrecy::ExposeSecret as _;

use super::report::Check;
use crate::cli::args::ServeArgs;
use crate::config::{DatabaseConfig, SECRETS, SecretOrigin};
use crate::db::{files_of, sqlite_file};

/// Bits of a mode that let users read who are neither the owner nor in the group.
const OTHERS_READ: u32 = 0o004;

pub(super) fn check(database: Option<&DatabaseConfig>, serve: &ServeArgs) -> Check {
    let secrets = SECRETS.iter().filter_map(|secret| match secret.origin() {
        Ok(SecretOrigin::File(path)) => Some(path),
        _ => None,
    });
    let of_database = database
        .and_then(|config| sqlite_file(config.url.expose_secret()))
        .map(|path| files_of(&path))
        .unwrap_or_default();
    let paths: Vec<PathBuf> = secrets
        .chain(of_database)
        .chain(serve.inventory.secret_files())
        .collect();
    let readable: Vec<String> = paths
        .iter()
        .filter(|path| {
            let mode = std::fs::metadata(path).map(|file| file.permissions().mode());
            mode.is_ok_and(|mode| mode & OTHERS_READ != 0)
        })
        .map(|path| path.display().to_string())
        .collect();
    if readable.is_empty() {
        return Check::ok(
            "files",
            "other users of this machine cannot read the database and the secrets",
        );
    }
    Check::warning(
        "files",
        format!("other users of this machine can read {}", readable.join(", ")),
        "Run chmod o-rwx on them",
    )
}
