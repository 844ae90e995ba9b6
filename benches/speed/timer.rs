//! `bench-timer RUNS INPUT COMMAND...`, for `scripts/bench speed`: runs a command so often, one after the other, with this file as its
//! standard input. Prints the microseconds from its start to its exit (median), the most memory it held at once in KiB,
//! and the runs that failed.
//!
//! Built with rustc alone, as a static program: what starts a process lends it its own memory until the exec, and the
//! kernel counts that, so less than this program has cannot be seen. `bench-timer RUNS INPUT /bin/true` shows how much that is.

use std::ffi::{c_int, c_void};
use std::fs::File;
use std::process::{Command, Stdio};
use std::ptr;
use std::time::Instant;

unsafe extern "C" {
    fn wait4(pid: c_int, status: *mut c_int, options: c_int, usage: *mut c_void) -> c_int;
}

/// Where the peak of the resident memory stands in `struct rusage`, in longs: behind two times of two longs each.
const PEAK: usize = 4;

fn main() -> std::io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let runs: usize = args[0].parse().expect("a number of runs");
    let mut times = Vec::with_capacity(runs);
    let (mut peak, mut failed) = (0, 0);
    for _ in 0..runs {
        let mut command = Command::new(&args[2]);
        command.args(&args[3..]).stdin(File::open(&args[1])?).stdout(Stdio::null()).stderr(Stdio::null());
        let begun = Instant::now();
        let child = command.spawn()?;
        let (mut status, mut usage) = (0, [0_i64; 18]);
        // SAFETY: both point to as much room as the system writes to (struct rusage is 18 longs).
        unsafe { wait4(child.id() as c_int, &raw mut status, 0, ptr::from_mut(&mut usage).cast()) };
        times.push(begun.elapsed().as_nanos());
        peak = peak.max(usage[PEAK]);
        failed += usize::from(status != 0);
    }
    times.sort_unstable();
    println!("us={:.1} kib={peak} failed={failed}", times[runs / 2] as f64 / 1e3);
    Ok(())
}
