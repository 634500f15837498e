//! The entry point of the program.

use std::process::ExitCode;

use rustix::fs::Mode;
use rustix::process::umask;

fn main() -> ExitCode {
    // Databases, backups and temporary files hold specs and the addresses of webhooks: files that this program creates
    // are for its user only.
    umask(Mode::RWXG | Mode::RWXO);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("drift-inbox: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(drift_inbox::cli::run());
    // Does not wait for threads that are blocked on reading a file.
    runtime.shutdown_background();
    code
}
