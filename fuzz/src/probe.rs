//! Probes: any bytes are read as one or refused, what is written reads back, and a changed bit shows.

use std::time::Duration;

use arbitrary::Arbitrary;
use halloo::wire::probe::{HEADER, Probe, RunId, Seen};

#[derive(Arbitrary, Debug)]
struct Input<'b> {
    run: [u8; 16],
    seq: u32,
    made: u64,
    len: u16,
    flip: u32,
    bytes: &'b [u8],
}

/// Runs it.
pub fn run(input: &[u8]) {
    read(input);
    let Some(Input { run, seq, made, len, flip, bytes }) = crate::made_of(input) else { return };
    read(bytes);
    let probe = Probe { run: RunId(run), seq, made: Duration::from_nanos(made) };
    // Long ones are like short ones, and slow.
    let mut written = write(&probe, usize::from(len) % 2_000);
    assert_eq!(Probe::read(&written), Seen::Probe(probe));
    let bit = flip as usize % (written.len() * 8);
    written[bit / 8] ^= 1 << (bit % 8);
    assert_eq!(Probe::read(&written), Seen::Broken, "bit {bit} changed");
}

fn read(bytes: &[u8]) {
    match Probe::read(bytes) {
        Seen::Probe(probe) => assert_eq!(Probe::read(&write(&probe, bytes.len())), Seen::Probe(probe)),
        Seen::Broken => assert!(bytes.len() >= HEADER),
        Seen::Other => {}
    }
}

fn write(probe: &Probe, len: usize) -> Vec<u8> {
    let mut written = Vec::new();
    probe.write(len, &mut written);
    assert_eq!(written.len(), len.max(HEADER));
    written
}
