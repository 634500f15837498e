//! Starts the program.

use std::process::ExitCode;

fn main() -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("drift-inbox: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(drift_inbox::cli::run());
    // Does not wait for threads that read a file which never ends.
    runtime.shutdown_background();
    code
}
