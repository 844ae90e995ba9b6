//! Many services in one process, for `scripts/bench discover`: `bench-crowd COUNT FIRST_ADDRESS [SECRET_FILE]`.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a helper of the bench; the tests use the rest of what they share with it"
)]

#[path = "../../tests/support/crowd.rs"]
mod crowd;

use halloo::drive::Stop;
use halloo::wire::beacon::Secret;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let secret = args.get(3).map(|file| Secret::new(std::fs::read(file).unwrap().trim_ascii()).unwrap());
    let (count, first) = (args[1].parse().unwrap(), args[2].parse().unwrap());
    let crowd = crowd::Crowd::open(count, &"chat".parse().unwrap(), first, secret.as_ref());
    println!("ready");
    crowd.run(&Stop::default());
}
