//! The last line for people: what a run adds up to.

use std::io::{self, Write};

use halloo::model::Stats;
use halloo::model::lesson::Tally;

use super::Style;
use super::lessons::{self, Shown};
use super::words::{Counted, ignored, is_in_order, unsent};

/// Writes the line, `-- 2 sent, 1 skipped; 2 replies from 2 responders in 1.0 s`.
pub(crate) fn write(
    style: Style,
    answers: bool,
    probes: Probes,
    stats: &Stats,
    out: &mut impl Write,
) -> io::Result<()> {
    match style {
        Style::Interfaces => Ok(()),
        Style::Learn => learned(stats, out),
        Style::Ping => pinged(probes, stats, out),
        Style::Receive => received(style, if answers { "answered" } else { "" }, stats, out),
        // Announcements are sent without a question.
        Style::Announce => received(style, "sent", stats, out),
        Style::Discover => discovered(stats, out),
        Style::Send | Style::Broadcast => sent(stats, out),
    }
}

/// What the counters of a run do not tell of its probes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Probes {
    /// So many were made.
    pub(crate) sent: u64,
    /// So many answers in time came from another address than the one asked.
    pub(crate) elsewhere: u64,
}

/// `-- 18 lessons: 17 ok, 0 surprises, 1 skipped in 1.2 s`
fn learned(stats: &Stats, out: &mut impl Write) -> io::Result<()> {
    let Tally { ok, surprise, skip } = stats.lessons.unwrap_or_default();
    let all = Counted(ok + surprise + skip, "lesson", "lessons");
    let surprises = Counted(surprise, "surprise", "surprises");
    writeln!(out, "-- {all}: {ok} ok, {surprises}, {skip} skipped in {:.1} s", stats.elapsed.as_secs_f64())
}

fn sent(stats: &Stats, out: &mut impl Write) -> io::Result<()> {
    write!(out, "-- {} sent", stats.sent)?;
    failed(stats, out)?;
    some(stats.skipped, "skipped", out)?;
    if let Some(replies) = stats.replies {
        write!(out, "; {}", Counted(replies, "reply", "replies"))?;
        if let (Some(responders), true) = (stats.responders, replies > 0) {
            write!(out, " from {}", Counted(responders, "responder", "responders"))?;
        }
    }
    losses(stats, out)?;
    ending(stats, out)
}

/// `-- 5 probes, 3 responders: 15 replies, 0 lost in 4.0 s`
fn pinged(probes: Probes, stats: &Stats, out: &mut impl Write) -> io::Result<()> {
    let Probes { sent: probes, elsewhere } = probes;
    write!(out, "-- {}", Counted(probes, "probe", "probes"))?;
    if stats.sent != probes {
        write!(out, " ({} sent)", stats.sent)?;
    }
    failed(stats, out)?;
    some(stats.skipped, "skipped", out)?;
    write!(out, ", {}", Counted(stats.responders.unwrap_or(0), "responder", "responders"))?;
    let replies = stats.replies.unwrap_or(0);
    write!(out, ": {}", Counted(replies, "reply", "replies"))?;
    match elsewhere {
        0 => {}
        all if all == replies => write!(out, " from another address than asked")?,
        some => write!(out, " ({some} from another address than asked)")?,
    }
    write!(out, ", {} lost", stats.lost.unwrap_or(0))?;
    if elsewhere > 0 {
        write!(out, " (each address has its own account)")?;
    }
    some(stats.in_flight.unwrap_or(0), "in flight", out)?;
    some(stats.reordered.unwrap_or(0), "reordered", out)?;
    losses(stats, out)?;
    for (why, count) in &stats.ignored {
        some(*count, &why.name().replace('_', " "), out)?;
    }
    ending(stats, out)
}

/// `-- 9 services; 6 sent, 1 skipped, 18 replies in 0.5 s`
fn discovered(stats: &Stats, out: &mut impl Write) -> io::Result<()> {
    write!(out, "-- {}; {} sent", Counted(stats.responders.unwrap_or(0), "service", "services"), stats.sent)?;
    failed(stats, out)?;
    some(stats.skipped, "skipped", out)?;
    write!(out, ", {}", Counted(stats.replies.unwrap_or(0), "reply", "replies"))?;
    some(stats.merged.unwrap_or(0), "changes told together", out)?;
    some(stats.output_drops.unwrap_or(0), "dropped by the output", out)?;
    some(stats.filtered, "filtered out (other names or interfaces)", out)?;
    losses(stats, out)?;
    ending(stats, out)?;
    reasons(["not counted", "not asked for"], stats, out)
}

/// A line for each reason why datagrams had no effect: what became of those, and of those where that is in order.
fn reasons([what, in_order]: [&str; 2], stats: &Stats, out: &mut impl Write) -> io::Result<()> {
    for (why, count) in &stats.ignored {
        let what = if is_in_order(*why) { in_order } else { what };
        writeln!(out, "   {count} {what}: {}", ignored(*why))?;
    }
    Ok(())
}

/// What did not leave: what the system did not take, and what was not tried, by reason.
fn failed(stats: &Stats, out: &mut impl Write) -> io::Result<()> {
    some(stats.failed, "failed", out)?;
    for (why, count) in &stats.unsent {
        some(*count, &format!("not sent ({})", unsent(*why)), out)?;
    }
    Ok(())
}

/// What every sender's line ends with.
fn ending(stats: &Stats, out: &mut impl Write) -> io::Result<()> {
    some(stats.truncated, "truncated", out)?;
    shown(stats.truncated, lessons::of_truncation(), out)?;
    some(stats.kernel_drops.unwrap_or(0), "dropped by the kernel", out)?;
    shown(stats.kernel_drops.unwrap_or(0), lessons::of_drops(), out)?;
    writeln!(out, " in {:.1} s", stats.elapsed.as_secs_f64())
}

fn received(style: Style, what_was_sent: &str, stats: &Stats, out: &mut impl Write) -> io::Result<()> {
    write!(out, "-- {}, {} B, ", Counted(stats.received, "datagram", "datagrams"), stats.bytes)?;
    if stats.peers.is_full() {
        write!(out, "at least ")?;
    }
    write!(out, "{}", Counted(stats.peers.len() as u64, "sender", "senders"))?;
    if !what_was_sent.is_empty() {
        write!(out, ", {} {what_was_sent}", stats.sent)?;
        failed(stats, out)?;
    }
    write!(out, ", {} truncated", stats.truncated)?;
    shown(stats.truncated, lessons::of_truncation(), out)?;
    write!(out, ", ")?;
    match stats.kernel_drops {
        Some(drops) if stats.drops_at_least => write!(out, "at least {drops} dropped by the kernel")?,
        Some(drops) => write!(out, "{drops} dropped by the kernel")?,
        None => write!(out, "kernel drops unknown")?,
    }
    shown(stats.kernel_drops.unwrap_or(0), lessons::of_drops(), out)?;
    some(stats.output_drops.unwrap_or(0), "dropped by the output", out)?;
    let filter = if style == Style::Announce { "filtered out (other interfaces)" } else { "filtered out" };
    some(stats.filtered, filter, out)?;
    some(stats.unread, "unread", out)?;
    losses(stats, out)?;
    writeln!(out)?;
    // What was received and not answered, by reason: the sum of both is what came.
    reasons(["not answered", "needed no answer"], stats, out)
}

/// The counters that only some commands have, where there is something to tell.
fn losses(stats: &Stats, out: &mut impl Write) -> io::Result<()> {
    if let Some(duplicates @ 1..) = stats.duplicates {
        write!(out, ", {}", Counted(duplicates, "duplicate", "duplicates"))?;
    }
    some(stats.late.unwrap_or(0), "late", out)?;
    some(stats.refused, "refused by the network", out)
}

fn some(count: u64, words: &str, out: &mut impl Write) -> io::Result<()> {
    if count == 0 { Ok(()) } else { write!(out, ", {count} {words}") }
}

/// Where to see why, if there is something to see.
fn shown(count: u64, lesson: Shown, out: &mut impl Write) -> io::Result<()> {
    if count == 0 { Ok(()) } else { write!(out, "{}", lesson.behind()) }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;
    use halloo::model::event::Ignored;
    use std::time::Duration;

    const PROBES: Probes = Probes { sent: 5, elsewhere: 0 };

    fn line(style: Style, stats: &Stats) -> String {
        let mut out = Vec::new();
        write(style, false, PROBES, stats, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn of_a_broadcast() {
        let elapsed = Duration::from_millis(1003);
        let stats = Stats { sent: 2, skipped: 1, replies: Some(2), responders: Some(2), elapsed, ..Stats::default() };
        assert_eq!(line(Style::Broadcast, &stats), "-- 2 sent, 1 skipped; 2 replies from 2 responders in 1.0 s\n");
        let stats = Stats { sent: 1, replies: Some(1), responders: Some(1), duplicates: Some(1), ..Stats::default() };
        assert_eq!(line(Style::Send, &stats), "-- 1 sent; 1 reply from 1 responder, 1 duplicate in 0.0 s\n");
        let stats = Stats { sent: 1, replies: Some(0), responders: Some(0), refused: 1, ..Stats::default() };
        assert_eq!(line(Style::Send, &stats), "-- 1 sent; 0 replies, 1 refused by the network in 0.0 s\n");
    }

    #[test]
    fn of_services() {
        let found = Stats { sent: 6, skipped: 1, replies: Some(18), responders: Some(9), ..Stats::default() };
        assert_eq!(line(Style::Discover, &found), "-- 9 services; 6 sent, 1 skipped, 18 replies in 0.0 s\n");
    }

    #[test]
    fn of_discovery_each_reason_is_a_sentence_and_what_is_in_order_is_no_failure() {
        let mut stats = Stats { sent: 6, filtered: 2, replies: Some(1), responders: Some(1), ..Stats::default() };
        stats.ignored.extend([(Ignored::Relayed, 3), (Ignored::Foreign, 1)]);
        let text = line(Style::Discover, &stats);
        assert!(
            text.starts_with("-- 1 service; 6 sent, 1 reply, 2 filtered out (other names or interfaces) in 0.0 s\n"),
            "{text}"
        );
        assert!(text.contains("\n   3 not counted: it is signed for another address than it came from\n"), "{text}");
        assert!(text.contains("\n   1 not counted: it is of another run or another program\n"), "{text}");
        stats.ignored = [(Ignored::Known, 6), (Ignored::WrongKind, 2), (Ignored::BadSignature, 1)].into();
        let text = line(Style::Announce, &stats);
        assert!(text.contains(", 2 filtered out (other interfaces)\n"), "{text}");
        assert!(text.contains("\n   6 needed no answer: the asker knows this service already\n"), "{text}");
        assert!(text.contains("\n   2 needed no answer: it was said to others"), "{text}");
        assert!(text.contains("\n   1 not answered: its signature is wrong"), "{text}");
    }

    #[test]
    fn of_probes() {
        let all = Stats { sent: 5, replies: Some(15), responders: Some(3), lost: Some(0), ..Stats::default() };
        assert_eq!(line(Style::Ping, &all), "-- 5 probes, 3 responders: 15 replies, 0 lost in 0.0 s\n");
        let mut some = Stats { sent: 9, failed: 1, replies: Some(1), responders: Some(1), ..all };
        some =
            Stats { lost: Some(2), in_flight: Some(6), reordered: Some(3), duplicates: Some(1), late: Some(4), ..some };
        some.ignored.insert(Ignored::TooMany, 7);
        let expected = "-- 5 probes (9 sent), 1 failed, 1 responder: 1 reply, 2 lost, 6 in flight, 3 reordered, 1 duplicate, 4 late, \
                        7 too many in 0.0 s\n";
        assert_eq!(line(Style::Ping, &some), expected);
    }

    #[test]
    fn of_probes_that_were_answered_from_elsewhere() {
        let stats = Stats { sent: 5, replies: Some(5), responders: Some(1), lost: Some(5), ..Stats::default() };
        let line = |elsewhere| {
            let mut out = Vec::new();
            pinged(Probes { elsewhere, ..PROBES }, &stats, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let lost = "5 lost (each address has its own account) in 0.0 s\n";
        assert_eq!(line(5), format!("-- 5 probes, 1 responder: 5 replies from another address than asked, {lost}"));
        assert_eq!(line(2), format!("-- 5 probes, 1 responder: 5 replies (2 from another address than asked), {lost}"));
    }

    #[test]
    fn of_what_was_received() {
        let mut stats = Stats { received: 3, bytes: 20_003, kernel_drops: Some(0), ..Stats::default() };
        stats.peers.see("10.77.0.2:1".parse().unwrap());
        stats.peers.see("10.77.0.3:1".parse().unwrap());
        let expected = "-- 3 datagrams, 20003 B, 2 senders, 0 truncated, 0 dropped by the kernel\n";
        assert_eq!(line(Style::Receive, &stats), expected);
        (stats.truncated, stats.kernel_drops) = (1, Some(7));
        let seen = ", 1 truncated (halloo learn truncate), 7 dropped by the kernel (halloo learn overflow)\n";
        assert!(line(Style::Receive, &stats).ends_with(seen));
        (stats.truncated, stats.kernel_drops, stats.unread) = (0, None, 9);
        assert!(line(Style::Receive, &stats).ends_with(", kernel drops unknown, 9 unread\n"));
    }

    /// Each counter in the last line stands beside its key of JSON in the README, and by that word in the line.
    #[test]
    fn each_counter_has_one_word_and_the_readme_has_it_beside_the_key() {
        let mut stats = Stats {
            received: 101,
            bytes: 102,
            sent: 103,
            failed: 104,
            skipped: 105,
            truncated: 106,
            filtered: 107,
            unread: 108,
            kernel_drops: Some(109),
            output_drops: Some(110),
            duplicates: Some(111),
            late: Some(112),
            lost: Some(113),
            in_flight: Some(114),
            reordered: Some(115),
            replies: Some(116),
            responders: Some(117),
            refused: 118,
            merged: Some(120),
            ..Stats::default()
        };
        stats.ignored.insert(Ignored::Known, 119);
        stats.peers.see("10.77.0.2:1".parse().unwrap());
        let all = [Style::Send, Style::Ping, Style::Receive, Style::Announce, Style::Discover];
        let words = |style: Style| match style {
            Style::Send => "sent failed skipped replies responders truncated kernel_drops duplicates late refused",
            Style::Ping => "lost in_flight reordered replies responders duplicates late refused failed skipped",
            Style::Receive => "received bytes peers truncated kernel_drops output_drops filtered unread ignored",
            Style::Announce => "received bytes sent failed output_drops filtered ignored",
            _ => "sent failed skipped replies merged output_drops filtered ignored",
        };
        let readme = include_str!("../../../../README.md");
        let (_, readme) = readme.split_once("| key of `summary` |").unwrap();
        for style in all {
            let line = line(style, &stats);
            for key in words(style).split(' ') {
                let start = format!("| `{key}` | ");
                let row = readme.lines().find_map(|line| line.strip_prefix(&start));
                let row = row.unwrap_or_else(|| panic!("no row of {key} in the README"));
                let mut said = row.trim_end_matches(" |").split([',', ';']).map(|word| word.trim().replace('`', ""));
                assert!(said.any(|word| line.contains(&format!("{} {word}", at(&stats, key)))), "{key}, {row}: {line}");
            }
        }
    }

    /// A counter by its key.
    fn at(stats: &Stats, key: &str) -> u64 {
        let known = |count: Option<u64>| count.unwrap();
        match key {
            "received" => stats.received,
            "bytes" => stats.bytes,
            "peers" => stats.peers.len() as u64,
            "sent" => stats.sent,
            "failed" => stats.failed,
            "skipped" => stats.skipped,
            "truncated" => stats.truncated,
            "filtered" => stats.filtered,
            "unread" => stats.unread,
            "ignored" => stats.ignored.values().sum(),
            "kernel_drops" => known(stats.kernel_drops),
            "output_drops" => known(stats.output_drops),
            "duplicates" => known(stats.duplicates),
            "late" => known(stats.late),
            "lost" => known(stats.lost),
            "in_flight" => known(stats.in_flight),
            "reordered" => known(stats.reordered),
            "replies" => known(stats.replies),
            "responders" => known(stats.responders),
            "refused" => stats.refused,
            "merged" => known(stats.merged),
            _ => panic!("no counter {key}"),
        }
    }

    #[test]
    fn a_server_says_what_it_did_not_answer() {
        let mut out = Vec::new();
        write(Style::Receive, true, PROBES, &samples::stats(), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains(", 2 answered, 1 failed, "), "{text}");
        assert!(text.contains("\n   3 not answered: it comes from our own port"), "{text}");
    }
}
