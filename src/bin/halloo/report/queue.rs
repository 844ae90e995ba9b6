//! A queue between receiving and writing, so that a reader who stalls costs lines and no datagrams.
//!
//! Whoever tells an event makes bytes of it; a thread writes them out, in the order they were told. What the readers are
//! behind with is kept up to [`MOST`] bytes. Beyond that, what is told of a datagram, or of a service, is left out whole, a line
//! of it as well as its packet in a capture file: counted, and told where the gap is. Everything else always gets through.

use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread::{Builder, JoinHandle};

use halloo::model::event::Notice;
use halloo::model::{Event, Now, Sink};

use super::named;

/// Bytes that wait to be written, beside the buffers of the sinks and one event. The JSON of a small datagram takes some 320
/// bytes: these are 26,000 of them, 2.6 s at 10,000 datagrams a second, which is longer than a pipe's other end pauses
/// that works at all; and half of the 16 MiB that a server may take up.
const MOST: usize = 8 << 20;

/// What a piece takes up beside its bytes, rounded up: its place in the queue (32 B), its allocation (16 B and what is left
/// unused). Without it, strangers could fill the memory with datagrams of one byte.
const PER_PIECE: usize = 128;

/// What waits to be written.
enum Piece {
    /// Bytes for the writer of this number.
    Bytes(usize, Vec<u8>),
    /// Somebody wants to know when everything before has been written.
    Mark(Sender<()>),
}

/// The way into the queue for what is to be written to one writer. It takes everything, and never waits.
pub(crate) struct Inlet {
    writer: usize,
    pieces: Sender<Piece>,
    behind: Arc<AtomicUsize>,
}

impl Write for Inlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.behind.fetch_add(bytes.len() + PER_PIECE, Ordering::Relaxed);
        // The thread outlives every inlet: it ends when the last of them is gone.
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        self.pieces.send(Piece::Bytes(self.writer, bytes.to_vec())).map_err(gone)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A queue to be: first its inlets, then the sink that writes to them.
pub(crate) struct Queue {
    writers: Vec<Option<Box<dyn Write + Send>>>,
    pieces: Sender<Piece>,
    taken: Receiver<Piece>,
    behind: Arc<AtomicUsize>,
}

impl Queue {
    /// A queue without an inlet.
    pub(crate) fn new() -> Self {
        let (pieces, taken) = channel();
        Self { writers: Vec::new(), pieces, taken, behind: Arc::default() }
    }

    /// What is written to the inlet goes to `writer`.
    pub(crate) fn inlet(&mut self, writer: impl Write + Send + 'static) -> Inlet {
        self.writers.push(Some(Box::new(writer)));
        Inlet { writer: self.writers.len() - 1, pieces: self.pieces.clone(), behind: Arc::clone(&self.behind) }
    }

    /// Begins to write what `inner` writes to the inlets. When a writer fails, `wake` is called from another thread, and
    /// the sink fails at the next event or flush.
    ///
    /// # Errors
    /// The system has no thread to spare.
    pub(crate) fn start(self, inner: Box<dyn Sink + Send>, wake: impl Fn() + Send + 'static) -> io::Result<Queued> {
        let Self { writers, pieces, taken, behind } = self;
        let failure = Arc::new(OnceLock::new());
        let out = Out { writers, behind: Arc::clone(&behind), failure: Arc::clone(&failure) };
        let thread = Builder::new().name("halloo output".to_owned()).spawn(move || out.run(&taken, wake))?;
        Ok(Queued {
            inner,
            pieces,
            behind,
            failure,
            failed: false,
            stalled: false,
            dropped: 0,
            told: 0,
            receives: false,
            over: false,
            _thread: Joined(Some(thread)),
        })
    }
}

/// The other end of the queue.
struct Out {
    /// Those that have not failed.
    writers: Vec<Option<Box<dyn Write + Send>>>,
    behind: Arc<AtomicUsize>,
    failure: Arc<OnceLock<io::Error>>,
}

impl Out {
    fn run(mut self, taken: &Receiver<Piece>, wake: impl Fn()) {
        for piece in taken {
            let (number, bytes) = match piece {
                Piece::Bytes(number, bytes) => (number, bytes),
                Piece::Mark(reached) => {
                    // Whoever asked may have left.
                    let _unheeded = reached.send(());
                    continue;
                }
            };
            if let Err(error) = self.write(number, &bytes) {
                // One that fails does not keep the others from what is theirs. The first failure is the one to be told.
                self.writers[number] = None;
                let _unheeded = self.failure.set(error);
                wake();
            }
            self.behind.fetch_sub(bytes.len() + PER_PIECE, Ordering::Relaxed);
        }
    }

    fn write(&mut self, number: usize, bytes: &[u8]) -> io::Result<()> {
        let Some(writer) = &mut self.writers[number] else { return Ok(()) };
        writer.write_all(bytes)?;
        writer.flush()
    }
}

/// Waits for a thread to end, when it is dropped.
struct Joined(Option<JoinHandle<()>>);

impl Drop for Joined {
    fn drop(&mut self) {
        let _ended = self.0.take().map(JoinHandle::join);
    }
}

/// A sink whose output is queued. Dropped, it waits until that is written.
pub(crate) struct Queued {
    // The order matters: a sink that is dropped writes out what it has, the thread ends with the last way into it, and is
    // waited for then.
    inner: Box<dyn Sink + Send>,
    pieces: Sender<Piece>,
    behind: Arc<AtomicUsize>,
    failure: Arc<OnceLock<io::Error>>,
    /// Whether the failure was returned.
    failed: bool,
    /// Whether output is being dropped.
    stalled: bool,
    /// Datagrams whose output was dropped, and how many of them were told.
    dropped: u64,
    told: u64,
    /// Whether what comes is told as received. Then what is told of it besides is of a datagram that was counted.
    receives: bool,
    /// Whether everything has been told.
    over: bool,
    _thread: Joined,
}

impl Queued {
    fn check(&mut self) -> io::Result<()> {
        let Some(error) = self.failure.get() else { return Ok(()) };
        self.failed = true;
        Err(named::again(error))
    }

    /// Whether there is no room. Once there was none, it is half of it that must be free again: a reader who takes a line
    /// now and then would have a gap told between any two of them.
    fn is_full(&mut self) -> bool {
        let room = if self.stalled { MOST / 2 } else { MOST };
        self.stalled = self.behind.load(Ordering::Relaxed) >= room;
        self.stalled
    }

    /// Tells how many are missing here.
    fn tell_gap(&mut self, now: Now) -> io::Result<()> {
        let missing = self.dropped - std::mem::replace(&mut self.told, self.dropped);
        if missing == 0 { Ok(()) } else { self.inner.event(now, &Event::Notice(Notice::OutputDrops(missing))) }
    }

    /// Waits until everything so far has been written.
    fn wait(&mut self) -> io::Result<()> {
        let (mark, reached) = channel();
        if self.pieces.send(Piece::Mark(mark)).is_ok() {
            let _written_or_gone = reached.recv();
        }
        self.check()
    }
}

impl Queued {
    /// What strangers can have told as often as they like: left out where there is no room.
    fn pour(&mut self, now: Now, event: &Event<'_>) -> io::Result<()> {
        let receives = matches!(event, Event::Received(_));
        self.receives |= receives;
        if self.is_full() {
            self.dropped += u64::from(receives || !self.receives);
            return Ok(());
        }
        self.tell_gap(now)?;
        self.inner.event(now, event)
    }

    /// Tells the summary when it is known that all before it was written, or when it was said that this is not so: it then
    /// is for the writers that still work.
    fn sum_up(&mut self, now: Now, event: &Event<'_>) -> io::Result<()> {
        self.over = true;
        if !self.failed {
            self.inner.flush()?;
            self.wait()?;
        }
        self.inner.event(now, event)
    }
}

impl Sink for Queued {
    fn event(&mut self, now: Now, event: &Event<'_>) -> io::Result<()> {
        match event {
            Event::Received(_) | Event::Sent(_) | Event::Ignored(..) | Event::Service(..) => self.pour(now, event)?,
            // It says how many are missing in all.
            Event::Summary(_) => return self.sum_up(now, event),
            _ => self.inner.event(now, event)?,
        }
        self.check()
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()?;
        if self.over { self.wait() } else { self.check() }
    }

    fn drops(&self) -> Option<u64> {
        Some(self.dropped)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use halloo::model::event::Received;

    use super::super::{Frame, Json, Options, Pcap, Raw, Style, Tee, samples};
    use super::*;

    /// A reader who takes only what the test lets him take: every write waits for a word from the test.
    struct Slow {
        may: Receiver<()>,
        page: Sender<Vec<u8>>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // When the test lets go, everything is taken.
            let _go_on = self.may.recv();
            self.page.send(bytes.to_vec()).unwrap();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn datagram(sink: &mut dyn Sink, seq: u64, payload: &[u8]) {
        let datagram = samples::datagram(payload);
        sink.event(samples::now(), &Event::Received(Received { seq, datagram: &datagram })).unwrap();
        sink.flush().unwrap();
    }

    fn finish(mut sink: Queued) {
        let stats = samples::stats();
        sink.event(samples::now(), &Event::Summary(&stats)).unwrap();
        sink.flush().unwrap();
    }

    #[test]
    fn a_reader_who_stalls_costs_lines_that_are_counted_and_told_where_they_are_missing() {
        let (may, page) = (sync_channel(0), channel());
        let mut queue = Queue::new();
        let (data, notes) = (queue.inlet(Slow { may: may.1, page: page.0 }), queue.inlet(io::sink()));
        let mut sink = queue.start(Box::new(Json::new(data, notes)), || {}).unwrap();
        // Each takes some 80 KiB: more than the bound holds of them.
        let payload = [b'x'; 60_000];
        for seq in 0..200 {
            datagram(&mut sink, seq, &payload);
        }
        let dropped = sink.drops().unwrap();
        assert!((1..200).contains(&dropped), "{dropped}");
        assert!(sink.behind.load(Ordering::Relaxed) < MOST + 100_000);
        // The reader goes on.
        drop(may.0);
        sink.wait().unwrap();
        datagram(&mut sink, 200, b"here again");
        assert_eq!(sink.drops(), Some(dropped));
        finish(sink);
        let text = String::from_utf8(page.1.into_iter().flatten().collect()).unwrap();
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let of = |event: &str| lines.iter().filter(|line| line["event"] == event).count() as u64;
        assert_eq!((of("recv") + dropped, of("notice"), of("summary")), (201, 1, 1));
        let gap = lines.iter().position(|line| line["event"] == "notice").unwrap();
        assert_eq!((&lines[gap]["notice"], &lines[gap + 1]["seq"]), (&"output_drops".into(), &200.into()));
        assert!(lines[gap]["text"].as_str().unwrap().contains(&dropped.to_string()));
        // What got through came in order, and whole.
        assert!((0..gap).all(|at| lines[at]["seq"] == at as u64));
    }

    #[test]
    fn small_pieces_take_up_memory_too() {
        let (may, page) = (sync_channel(0), channel());
        let mut queue = Queue::new();
        let (data, notes) = (queue.inlet(Slow { may: may.1, page: page.0 }), queue.inlet(io::sink()));
        let raw = Raw::new(Frame::None, Options::new(Style::Receive), data, notes);
        let mut sink = queue.start(Box::new(raw), || {}).unwrap();
        let sent = MOST / PER_PIECE + 10;
        (0..sent as u64).for_each(|seq| datagram(&mut sink, seq, b"x"));
        let dropped = sink.drops().unwrap() as usize;
        drop(may.0);
        finish(sink);
        let shown = page.1.into_iter().flatten().count();
        assert_eq!(shown + dropped, sent);
        assert!(dropped > 0);
    }

    #[test]
    fn a_writer_that_fails_wakes_the_run_and_costs_the_others_nothing() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        struct Kept(Sender<u8>);
        impl Write for Kept {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                bytes.iter().for_each(|byte| self.0.send(*byte).unwrap());
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let ((kept, capture), (wake, woken)) = (channel(), channel());
        let mut queue = Queue::new();
        let json = Json::new(queue.inlet(Gone), queue.inlet(io::sink()));
        let pcap = Pcap::new(queue.inlet(Kept(kept))).unwrap();
        let tee = Tee(Box::new(json), Box::new(pcap));
        let mut sink = queue.start(Box::new(tee), move || wake.send(()).unwrap()).unwrap();
        let datagram = samples::datagram(b"the last one");
        sink.event(samples::now(), &Event::Received(Received { seq: 0, datagram: &datagram })).unwrap();
        // It may fail at once, or a moment later.
        let _unheeded = sink.flush();
        woken.recv().unwrap();
        assert_eq!(sink.flush().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        drop(sink);
        let capture: Vec<u8> = capture.into_iter().collect();
        assert!(capture.windows(12).any(|part| part == b"the last one"));
    }
}
