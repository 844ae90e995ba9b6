//! The program: parse, run, exit.

mod args;
mod cmd;
mod exit;
mod lesson;
mod report;

use std::process::ExitCode;

/// Whether the line that could not be read asks for JSON: its reader wants the reason as JSON too.
fn wants_json() -> bool {
    std::env::args_os().take_while(|arg| arg != "--").any(|arg| arg == "--json")
}

fn main() -> ExitCode {
    match args::parse(std::env::args_os()) {
        Ok(args) => exit::code(cmd::run(&args)),
        Err(refused) if refused.code != 0 && wants_json() => exit::code(cmd::refuse(&refused.text).code()),
        Err(refused) => exit::refused(&refused.text, refused.to_stdout, refused.code),
    }
}
