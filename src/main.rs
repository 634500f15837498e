//! The entry point of the program.

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
    // Does not wait for threads that are blocked on reading a file.
    runtime.shutdown_background();
    code
}
