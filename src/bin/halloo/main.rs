//! The program: parse, run, exit.

mod args;
mod cmd;
mod exit;
mod report;

use std::process::ExitCode;

fn main() -> ExitCode {
    match args::parse(std::env::args_os()) {
        Ok(args) => exit::code(cmd::run(&args)),
        Err(refused) => exit::refused(&refused.text, refused.to_stdout, refused.code),
    }
}
