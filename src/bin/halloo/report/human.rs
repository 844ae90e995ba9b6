//! Lines for people: data on one writer, notes on the other.

use std::io::{self, BufWriter, Write};

use halloo::model::event::{Role, Sink};
use halloo::model::lesson::Status;
use halloo::model::service::Change;
use halloo::model::{Event, Interface, Now};

use super::lessons::{self, Shown};
use super::responders::Responders;
use super::services::{self, Services};
use super::summary::Probes;
use super::wrap::wrapped;
use super::{Options, Style, failure, notice, rows, summary};

/// What fits between two waits without a system call.
pub(crate) const BUFFER: usize = 64 * 1024;

/// Writes lines: what was sent and received to `data` (standard output), the rest to `notes` (standard error).
pub(crate) struct Human<D: Write, N: Write> {
    lines: Lines,
    data: BufWriter<D>,
    notes: BufWriter<N>,
}

impl<D: Write, N: Write> Human<D, N> {
    /// Lines in the way of `options`.
    pub(crate) fn new(options: Options, data: D, notes: N) -> Self {
        Self { lines: Lines::new(options), data: BufWriter::with_capacity(BUFFER, data), notes: BufWriter::new(notes) }
    }
}

impl<D: Write, N: Write> Sink for Human<D, N> {
    fn event(&mut self, now: Now, event: &Event<'_>) -> io::Result<()> {
        if self.lines.keeps(now, event) {
            return if self.lines.is_full() { self.lines.table(&mut self.data) } else { Ok(()) };
        }
        if !self.lines.shows(event) || self.lines.repeats(event) {
            return Ok(());
        }
        self.lines.table(&mut self.data)?;
        // On a terminal both writers are one screen: what was said first must be seen first.
        if is_note(self.lines.options.style, event) {
            let data = write_out(&mut self.data);
            self.lines.note(now, event, &mut self.notes).and(data)
        } else {
            let notes = write_out(&mut self.notes);
            self.lines.write(now, event, &mut self.data).and(notes)
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        // The one that fails does not keep the other back.
        let data = self.lines.table(&mut self.data).and_then(|()| self.data.flush());
        self.notes.flush().and(data)
    }

    fn takes_sent(&self) -> bool {
        self.lines.shows_sent()
    }
}

fn write_out(writer: &mut BufWriter<impl Write>) -> io::Result<()> {
    if writer.buffer().is_empty() { Ok(()) } else { writer.flush() }
}

fn is_note(style: Style, event: &Event<'_>) -> bool {
    // Of a broadcast it is a row of the table.
    let skipped = matches!(event, Event::Skipped(_)) && style == Style::Announce;
    // Of a search the data are services.
    let beside = style == Style::Discover && !matches!(event, Event::Service(..));
    skipped
        || beside
        || matches!(
            event,
            Event::Listening(_)
                | Event::Notice(_)
                | Event::Ignored(..)
                | Event::BadRecord(_)
                | Event::Broken(_)
                | Event::Summary(_)
        )
}

/// The lines without their writers.
pub(crate) struct Lines {
    options: Options,
    /// Whether the command answers what it receives.
    answers: bool,
    /// Rows of the table so far: its columns are as wide as the widest.
    interfaces: Vec<Interface>,
    /// The same, of who answered.
    responders: Responders,
    /// The same, of services.
    services: Services,
    /// Probes and who answered them, so far.
    probes: Probes,
    /// Whether a refusal was shown.
    refused: bool,
}

impl Lines {
    pub(crate) fn new(options: Options) -> Self {
        Self {
            options,
            answers: false,
            interfaces: Vec::new(),
            responders: Responders::default(),
            services: Services::default(),
            probes: Probes::default(),
            refused: false,
        }
    }

    /// Takes an event that has no line of its own: it is told with others. Says whether it was one.
    fn keeps(&mut self, now: Now, event: &Event<'_>) -> bool {
        match event {
            Event::Interface(row) => self.interfaces.push((*row).clone()),
            Event::Responder(_) | Event::Service(..) if self.options.quiet => {}
            Event::Service(Change::Listed, service) => self.services.add(now, service),
            Event::Responder(responder) => self.responders.add(responder, self.options.histogram),
            Event::Progress(progress) => self.probes.sent = progress.sent,
            Event::Reply(reply) => {
                // Counted even where its line is not shown.
                self.probes.elsewhere += u64::from(reply.from_another && !reply.duplicate && !reply.late);
                return false;
            }
            _ => return false,
        }
        true
    }

    /// Whether the event only says again what one line has said: every probe to a port where nobody listens is refused, and
    /// the summary counts that.
    const fn repeats(&mut self, event: &Event<'_>) -> bool {
        let again = matches!((event, self.options.style), (Event::Refused(..), Style::Ping)) && !self.options.verbose;
        again && std::mem::replace(&mut self.refused, true)
    }

    /// Whether the user wants to see the event.
    pub(crate) const fn shows(&self, event: &Event<'_>) -> bool {
        let Options { style, quiet, verbose, .. } = self.options;
        match event {
            Event::Listening(_) | Event::Planned(_) | Event::Interface(_) | Event::Summary(_) => true,
            // Who asked may be gone when its answer comes, as is usual: the summary counts that.
            Event::Refused(..) if matches!(style, Style::Announce) => verbose && !quiet,
            // Probes go on, and each would say it again: the summary counts them.
            Event::Refused(..) if matches!(style, Style::Ping) => !quiet,
            Event::Failed(_) | Event::BadRecord(_) | Event::Broken(_) | Event::Refused(..) => true,
            Event::Notice(notice) => !quiet || notice::is_failure(notice),
            Event::Ignored(..) => verbose && !quiet,
            Event::Lesson(run) => !quiet || !matches!(run.status, Status::Ok),
            Event::Sent(_) => self.shows_sent(),
            _ => !quiet,
        }
    }

    /// A server prints one line for each datagram that comes; its answers go where that came from. The answer to a probe says
    /// where that went, and a service by which paths it was found.
    const fn shows_sent(&self) -> bool {
        let Options { style, quiet, verbose, .. } = self.options;
        let elsewhere = matches!(style, Style::Receive | Style::Ping | Style::Announce | Style::Discover);
        !quiet && (verbose || !elsewhere)
    }

    /// Writes the line of an event that is a note, broken at words where a terminal would break it anywhere.
    pub(crate) fn note(&mut self, now: Now, event: &Event<'_>, out: &mut impl Write) -> io::Result<()> {
        let Some(width) = self.options.notes_width else { return self.write(now, event, out) };
        let mut text = Vec::new();
        self.write(now, event, &mut text)?;
        out.write_all(wrapped(&String::from_utf8_lossy(&text), Some(width)).as_bytes())
    }

    /// Writes the line of an event.
    pub(crate) fn write(&mut self, now: Now, event: &Event<'_>, out: &mut impl Write) -> io::Result<()> {
        let options = &self.options;
        match event {
            Event::Listening(listening) => {
                self.answers = listening.role != Role::Listen;
                rows::listening(options, listening, out)
            }
            Event::Planned(planned) => rows::planned(planned, out),
            Event::Sent(sent) => rows::sent(options, now, sent, out),
            Event::Failed(failed) => {
                rows::within(options.width, out, |mut out| rows::failed(options, failed, &mut out))
            }
            Event::BadRecord(error) => writeln!(out, "{}", failure::record(error)),
            Event::Broken(error) => writeln!(out, "{}", failure::describe(error)),
            Event::Skipped(skipped) => rows::skipped(skipped, out),
            Event::Received(received) => {
                rows::within(options.width, out, |out| rows::received(options, received.datagram, out))
            }
            Event::Reply(reply) => rows::within(options.width, out, |out| rows::reply(options, reply, out)),
            Event::Refused(refusal, more) => {
                rows::within(options.width, out, |mut out| rows::refused(refusal, *more, &mut out))
            }
            Event::Ignored(why, datagram) => rows::ignored(options, *why, datagram, out),
            Event::Notice(notice) => {
                let lesson = lessons::of_notice(notice).map_or_else(String::new, Shown::behind);
                writeln!(out, "note: {}{lesson}", notice::text(notice))
            }
            Event::Interface(row) => rows::interfaces(options.width, std::slice::from_ref(*row), out),
            Event::Lesson(run) => rows::lesson(run, out),
            Event::Service(change, service) => services::change(now, *change, service, options.width, out),
            Event::Summary(stats) => summary::write(options.style, self.answers, self.probes, stats, out),
            // New events of the library, until they get their own line here.
            _ => Ok(()),
        }
    }

    /// Whether a table has to be written, so that strangers cannot make it grow.
    const fn is_full(&self) -> bool {
        self.responders.is_full() || self.services.is_full()
    }

    /// Writes the tables of what was kept so far, if anything was.
    fn table(&mut self, out: &mut impl Write) -> io::Result<()> {
        self.responders.write(self.options.width, out)?;
        self.services.write(self.options.width, out)?;
        if self.interfaces.is_empty() {
            return Ok(());
        }
        rows::interfaces(self.options.width, &std::mem::take(&mut self.interfaces), out)
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{self, Pages};
    use super::super::{Show, clock::TimeOfDay, columns::most_width};
    use super::*;
    use halloo::model::event::{Notice, Progress, Received, Reply, Skipped};
    use halloo::model::{Cast, Datagram, Link, Origin, Unusable};
    use std::collections::HashSet;
    use std::time::Duration;

    /// What the events come out as, data and notes.
    fn say(options: Options, events: &[Event<'_>]) -> (String, String) {
        let page = Pages::default();
        let mut human = Human::new(options, page.data(), page.notes());
        for event in events {
            human.event(samples::now(), event).unwrap();
        }
        human.flush().unwrap();
        (page.data_text(), page.notes_text())
    }

    fn received(options: Options, datagram: &Datagram<'_>) -> String {
        say(options, &[Event::Received(Received { seq: 0, datagram })]).0
    }

    #[test]
    fn an_answer_to_a_probe_is_a_line_and_the_end_is_a_table() {
        let datagram = samples::datagram(b"0123456789");
        let late = Reply {
            datagram: &datagram,
            round_trip: Some(Duration::from_micros(412)),
            from_another: false,
            duplicate: false,
            seq: Some(3),
            late: true,
        };
        let (latency, stats) = (samples::latency(), samples::stats());
        let responder = samples::responder(&latency);
        let events = [
            Event::Progress(Progress { sent: 9, answered: 0, missing: 0 }),
            samples::sent(),
            Event::Reply(late),
            Event::Responder(&responder),
            Event::Summary(&stats),
        ];
        let options = Options { show: Show::None, ..Options::new(Style::Ping) };
        let (data, notes) = say(options, &events);
        assert!(data.starts_with("10 B from 10.77.0.2:35280  via eth0  seq 3  0.412 ms  late\nresponder "), "{data}");
        assert_eq!(data.lines().count(), 3, "{data}");
        assert!(notes.starts_with("-- 9 probes "), "{notes}");
        assert!(say(Options { verbose: true, ..options }, &events).0.starts_with("sent 13 B "));
        let (data, notes) = say(Options { quiet: true, ..options }, &events);
        assert_eq!((&*data, notes.lines().count()), ("", 1));
    }

    #[test]
    fn that_an_asker_is_gone_is_no_news_of_who_announces() {
        samples::with_all(|events| {
            let refused: Vec<Event<'_>> =
                events.iter().filter(|event| matches!(event, Event::Refused(..))).cloned().collect();
            let lines = |options| say(options, &refused).0.lines().count();
            assert_eq!(lines(Options::new(Style::Announce)), 0);
            assert_eq!(lines(Options { verbose: true, ..Options::new(Style::Announce) }), refused.len());
        });
    }

    const RECEIVE: Options = Options::new(Style::Receive);

    #[test]
    fn a_datagram_is_a_line() {
        let time = TimeOfDay(samples::now().wall).to_string();
        let hi = samples::datagram(b"hi");
        let line = received(RECEIVE, &hi);
        assert_eq!(line, format!("{time} 10.77.0.2:35280 -> 10.77.0.255:1060%eth0 broadcast 2 B  \"hi\"\n"));
        let empty = received(RECEIVE, &samples::datagram(b""));
        assert!(empty.ends_with(" 10.77.0.255:1060%eth0 broadcast 0 B  (empty)\n"), "{empty}");
    }

    #[test]
    fn unicast_stands_in_the_columns_of_broadcast_and_long_payloads_are_cut() {
        let payload = vec![b'C'; 20_001];
        let destination = Some("10.77.0.1:1060".parse().unwrap());
        let long = Datagram { destination, cast: Some(Cast::Unicast), ..samples::datagram(&payload) };
        let line = received(Options { preview: 4, ..RECEIVE }, &long);
        assert!(line.ends_with("-> 10.77.0.1:1060%eth0   unicast   20001 B  \"CCCC\" +19997 more\n"), "{line}");
    }

    #[test]
    fn truncation_own_datagrams_and_time_to_live_are_said() {
        let own = Datagram { wire_len: 20_001, origin: Origin::Own, ..samples::datagram(b"abc") };
        let line = received(Options { verbose: true, ..RECEIVE }, &own);
        assert!(line.ends_with("broadcast truncated: 3 of 20001 B  self  ttl 64  \"abc\"\n"), "{line}");
    }

    #[test]
    fn what_the_system_does_not_tell_is_unknown() {
        let dark = Datagram { destination: None, link: None, cast: None, ttl: None, ..samples::datagram(b"x") };
        let line = received(Options { verbose: true, ..RECEIVE }, &dark);
        assert!(line.ends_with("10.77.0.2:35280 -> unknown               1 B  \"x\"\n"), "{line}");
    }

    #[test]
    fn hexadecimal_shows_all_and_none_shows_none() {
        let payload = [0x1b; 100];
        let line = received(Options { show: Show::Hex, ..RECEIVE }, &samples::datagram(&payload));
        assert_eq!(line.lines().count(), 1 + 7, "{line}");
        let line = received(Options { show: Show::None, ..RECEIVE }, &samples::datagram(&payload));
        assert!(line.ends_with(" 100 B\n"), "{line}");
        let line = received(Options { show: Show::None, ..RECEIVE }, &samples::datagram(b""));
        assert!(line.ends_with(" 0 B  (empty)\n"), "{line}");
    }

    #[test]
    fn a_broadcast_is_a_row_for_each_interface_then_the_answers() {
        let wg0 = Link { index: 4, name: "wg0".into() };
        let skipped = Event::Skipped(Skipped { link: wg0, address: None, why: Unusable::PointToPoint });
        let source = "10.77.0.2:1060".parse().unwrap();
        let datagram = Datagram { source, ..samples::datagram(b"who is there?") };
        let round_trip = Some(Duration::from_micros(412));
        let reply =
            Reply { datagram: &datagram, round_trip, from_another: false, duplicate: false, seq: None, late: false };
        let marked = Reply { round_trip: None, from_another: true, duplicate: true, ..reply.clone() };
        let events = [samples::sent(), skipped, Event::Reply(reply), Event::Reply(marked), samples::failed()];
        let (data, notes) = say(Options::new(Style::Broadcast), &events);
        let lines: Vec<&str> = data.lines().collect();
        assert_eq!(lines[0], "eth0    10.77.0.1 -> 10.77.0.255:1060   sent 13 B");
        assert_eq!(lines[1], "wg0     skipped: point-to-point, no broadcast");
        assert_eq!(lines[2], "REPLY   10.77.0.2:1060  via eth0  0.412 ms  13 B  \"who is there?\"");
        let marks = "time unknown  13 B  from another address  DUP  \"who is there?\"";
        assert_eq!(lines[3], format!("REPLY   10.77.0.2:1060  via eth0  {marks}"));
        assert!(lines[4].starts_with("eth0    -> 10.77.0.255:1060   failed: not permitted ("), "{}", lines[4]);
        assert_eq!(notes, "");
    }

    #[test]
    fn send_names_the_whole_way() {
        let (data, _) = say(Options::new(Style::Send), &[samples::sent_by_loopback()]);
        assert_eq!(data, "sent 38 B 127.0.0.1:51822 -> 127.0.0.1:1060 lo\n");
    }

    #[test]
    fn data_and_notes_go_their_own_way() {
        samples::with_all(|events| {
            let (data, notes) = say(Options { verbose: true, ..RECEIVE }, events);
            assert!(
                notes.starts_with("listening on 0.0.0.0:1060 (echo); joined 239.1.2.3 on eth0; receive"),
                "{notes}"
            );
            assert!(notes.contains("not answered: it comes from our own port"), "{notes}");
            assert!(notes.contains("\n-- 3 datagrams"), "{notes}");
            assert!(data.contains("REFUSED 10.0.0.7:1060  nobody listens on that port"), "{data}");
            assert!(!data.contains("--"), "{data}");
        });
    }

    #[test]
    fn quiet_leaves_the_first_line_the_last_and_what_went_wrong() {
        samples::with_all(|events| {
            let (data, notes) = say(Options { quiet: true, verbose: true, ..RECEIVE }, events);
            // The table of interfaces is what that command was asked for, and so is the plan of a dry run.
            let starts: Vec<&str> = data.lines().filter_map(|line| line.split(' ').next()).collect();
            assert_eq!(
                starts,
                ["interface", "eth0", "p2p", "bad\\x1b", "failed", "eth0", "REFUSED", "REFUSED", "SURPRISE"],
                "{data}"
            );
            let notes: Vec<&str> = notes.lines().collect();
            assert!(notes[0].starts_with("listening on"), "{notes:?}");
            assert!(notes[1].starts_with("note: 0.0.0.0:1060 by eth0: no carrier; "), "{notes:?}");
            assert!(notes[2].starts_with("note: group 239.1.2.3 is not joined"), "{notes:?}");
            assert!(notes[3].starts_with("note: several services are called"), "{notes:?}");
            assert!(notes[4].starts_with("note: 12 datagrams were dropped by the kernel (4700 in all)"), "{notes:?}");
            assert!(notes[5].starts_with("note: 4711 datagrams were dropped by the output here"), "{notes:?}");
            assert!(notes[6].starts_with("halloo: record 2 is not hexadecimal"), "{notes:?}");
            assert!(notes[8].starts_with("-- "), "{notes:?}");
        });
    }

    #[test]
    fn of_discovery_the_data_are_services_and_what_was_skipped_is_a_note() {
        let skipped = || Event::Skipped(Skipped { link: samples::eth0(), address: None, why: Unusable::Down });
        for style in [Style::Discover, Style::Announce] {
            let (data, notes) = say(Options::new(style), &[skipped()]);
            assert_eq!((&*data, &*notes), ("", "eth0    skipped: down\n"));
        }
        let (data, notes) = say(Options::new(Style::Broadcast), &[skipped()]);
        assert_eq!((&*data, &*notes), ("eth0    skipped: down\n", ""));
    }

    #[test]
    fn of_discovery_what_left_and_what_did_not_are_notes_and_the_former_for_who_asks_for_it() {
        let options = Options::new(Style::Discover);
        let (data, notes) = say(options, &[samples::sent(), samples::failed()]);
        assert!(data.is_empty() && notes.starts_with("failed ") && notes.lines().count() == 1, "{data}{notes}");
        let (data, notes) = say(Options { verbose: true, ..options }, &[samples::sent()]);
        assert!(data.is_empty() && notes.starts_with("sent "), "{data}{notes}");
    }

    #[test]
    fn interfaces_are_one_table_without_borders() {
        let (data, _) = say(Options::new(Style::Interfaces), &samples::interface_events(&samples::interfaces()));
        let lines: Vec<&str> = data.lines().collect();
        assert_eq!(lines[0], "interface  index  address       broadcast      from      MTU   usable");
        assert_eq!(lines[1], "eth0       2      10.77.0.1/24  10.77.0.255    computed  1500  yes");
        assert!(lines[2].ends_with("no: /31: no broadcast address"), "{data}");
        assert!(lines[3].starts_with("bad\\x1b"), "{data}");
    }

    #[test]
    fn a_note_on_a_terminal_is_broken_at_words_and_data_are_not() {
        let stats = samples::stats();
        let events = [samples::sent(), Event::Notice(Notice::InputUnread), Event::Summary(&stats)];
        let options = Options { notes_width: Some(30), ..Options::new(Style::Broadcast) };
        let (data, notes) = say(options, &events);
        assert_eq!(data, "eth0    10.77.0.1 -> 10.77.0.255:1060   sent 13 B\n");
        assert!(notes.starts_with("note: standard input is not\n      read: --lines sends each\n"), "{notes}");
        assert!(notes.contains("\n-- ") && notes.lines().all(|line| line.len() <= 30), "{notes}");
    }

    #[test]
    fn interfaces_fit_the_terminal_and_nothing_goes_missing() {
        let rows = samples::interfaces();
        let table = samples::interface_events(&rows);
        let within = |width| say(Options { width, ..Options::new(Style::Interfaces) }, &table).0;
        assert_eq!(within(Some(200)), within(None));
        assert!(within(Some(60)).contains("\n    from computed MTU 1500\n"), "{}", within(Some(60)));
        for width in [79, 60, 40] {
            let data = within(Some(width));
            assert!(data.lines().all(|line| line.chars().count() <= width), "{width}:\n{data}");
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<HashSet<_>>();
            assert!(words(&within(None)).is_subset(&words(&data)), "{width}:\n{data}");
        }
        assert!(within(Some(79)).contains("\n    no: /31: no broadcast address\n"), "{}", within(Some(79)));
    }

    #[test]
    fn on_a_terminal_nothing_that_a_payload_says_begins_a_row() {
        let fake = "08:09:26.249421 10.0.0.1:1 -> 10.0.0.2:1060%eth0 unicast 2 B  \"ok\"";
        let payloads = (0..90).map(|n| "x".repeat(n) + fake).chain(["你好".repeat(40), "e\u{301}".repeat(40)]);
        for payload in payloads {
            let datagram = samples::datagram(payload.as_bytes());
            let reply = Reply {
                datagram: &datagram,
                round_trip: None,
                from_another: true,
                duplicate: false,
                seq: None,
                late: false,
            };
            let events = [Event::Received(Received { seq: 0, datagram: &datagram }), Event::Reply(reply)];
            for (width, show) in
                [20, 40, 60, 80, 120].into_iter().flat_map(|width| [(width, Show::Text), (width, Show::Hex)])
            {
                for (style, event) in [Style::Receive, Style::Broadcast].into_iter().zip(&events) {
                    let options = Options { show, preview: 200, verbose: true, ..Options::new(style) };
                    let whole = say(options, std::slice::from_ref(event)).0;
                    let data = say(Options { width: Some(width), ..options }, std::slice::from_ref(event)).0;
                    let mut lines = data.lines();
                    assert!(lines.all(|line| most_width(line) <= width), "{width}:\n{data}");
                    assert!(data.lines().skip(1).all(|line| line.starts_with("    ")), "{width}:\n{data}");
                    // Nothing is missing, and nothing changes where it fits.
                    let all = |text: &str| text.split_whitespace().collect::<String>();
                    assert_eq!(all(&data), all(&whole));
                    let wide = whole.lines().map(most_width).max();
                    assert_eq!(say(Options { width: wide, ..options }, std::slice::from_ref(event)).0, whole);
                }
            }
        }
    }

    #[test]
    fn what_does_not_fit_beside_a_row_stands_beneath_it() {
        let datagram = samples::datagram(b"who is there?");
        let text = received(Options { width: Some(80), ..RECEIVE }, &datagram);
        let time = TimeOfDay(samples::now().wall);
        let head = format!("{time} 10.77.0.2:35280 -> 10.77.0.255:1060%eth0 broadcast 13 B");
        assert_eq!(text, format!("{head}\n    \"who is there?\"\n"));
    }

    #[test]
    fn no_number_is_broken() {
        let datagram = samples::datagram(&[b'y'; 5000]);
        for width in 40..120 {
            let text = received(Options { width: Some(width), ..RECEIVE }, &datagram);
            assert!(text.lines().any(|line| line.ends_with("+4936 more")), "{width}: {text}");
            assert!(text.lines().any(|line| line.contains("5000")), "{width}: {text}");
            assert!(text.lines().all(|line| most_width(line) <= width), "{width}: {text}");
        }
    }

    #[test]
    fn what_was_refused_or_failed_is_broken_at_words() {
        let is_either = |event: &Event<'_>| matches!(event, Event::Refused(..) | Event::Failed(_));
        samples::with_all(|events| {
            for event in events.iter().filter(|event| is_either(event)) {
                let whole = say(Options::new(Style::Send), std::slice::from_ref(event)).0;
                let text = say(Options { width: Some(60), ..Options::new(Style::Send) }, std::slice::from_ref(event)).0;
                assert!(text.lines().all(|line| most_width(line) <= 60), "{text}");
                assert!(text.split_whitespace().eq(whole.split_whitespace()), "{text}");
            }
        });
    }

    #[test]
    fn a_dump_keeps_its_columns_and_its_characters_stand_beneath() {
        let datagram = samples::datagram(b" !\"#$%&'()*+,-./");
        let text = received(Options { show: Show::Hex, width: Some(60), ..RECEIVE }, &datagram);
        let dump = "    0000  20 21 22 23 24 25 26 27  28 29 2a 2b 2c 2d 2e 2f\n        | !\"#$%&'()*+,-./|\n";
        assert!(text.ends_with(dump), "{text}");
    }

    #[test]
    fn nothing_harmful_reaches_the_output_whatever_the_payload() {
        let payload: Vec<u8> = (0..=255).chain("\u{202e}\u{9b}\u{200b}".bytes()).collect();
        let hostile = samples::datagram(&payload);
        let event = [Event::Received(Received { seq: 0, datagram: &hostile })];
        for show in [Show::Text, Show::Hex] {
            let (data, _) = say(Options { show, preview: 10_000, ..RECEIVE }, &event);
            assert!(!data.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}' || c == '\u{200b}'));
        }
    }
}
