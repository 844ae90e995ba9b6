//! What the user should know: a sentence that says what to do now, and a stable word.

use std::net::IpAddr;
use std::time::Duration;

use halloo::model::Link;
use halloo::model::event::{Fragments, Notice};

use super::escape::Name;
use super::rows::milliseconds;
use super::words::Counted;

/// The notice as a sentence.
pub(crate) fn text(notice: &Notice) -> String {
    match notice {
        Notice::LanCanReach(local) => format!(
            "everybody who can reach this host can reach this server: it listens on {local}; \
             127.0.0.1:{} serves this host alone",
            local.port()
        ),
        Notice::HearsNoBroadcast(address) => format!(
            "bound to one address, {address}: it will not hear broadcasts; :PORT with --interface NAME hears both, and \
             nothing else"
        ),
        Notice::Ipv6Only(local) => {
            format!("{local} hears IPv6 only; 'halloo listen 0.0.0.0:{}' hears IPv4", local.port())
        }
        Notice::SmallReceiveBuffer(asked, granted) => small_receive_buffer(*asked, *granted),
        Notice::Broadcasting(address, Some(link)) if address.is_broadcast() => format!(
            "{address} leaves by {} alone: every host there gets the datagram; 'halloo broadcast --limited' sends it out of \
             each interface, --no-broadcast refuses",
            Name(&link.name)
        ),
        Notice::Broadcasting(address, link) => format!(
            "{address} is the broadcast address of {}: every host there gets the datagram; --no-broadcast refuses",
            link.as_ref().map_or("every interface".to_owned(), |link| Name(&link.name).to_string())
        ),
        Notice::OddBroadcast(link, configured, computed) => format!(
            "{} is configured to broadcast to {configured}, but its netmask gives {computed}: hosts configured \
             otherwise do not hear it; --mask-derived sends to {computed}",
            Name(&link.name)
        ),
        Notice::Fragments(fragments) => fragmented(fragments),
        Notice::Resolved(name, address) => format!("{} is {address}", Name(name)),
        Notice::BroadcastSilence { port, probe } => format!(
            "nobody answered the broadcast. Servers may not answer one: 'halloo echo' does so only with \
             --answer-broadcast. Stateful firewalls drop such answers, for they come from another address than was asked: \
             allow UDP to port {port} on this host ('--from :{port}' keeps the port), or ask one host: \
             'halloo {} HOST'",
            if *probe { "ping" } else { "send" }
        ),
        Notice::SlowedDown { unanswered, most } => format!(
            "nobody who was asked has answered the last {unanswered} probes: they leave less often, up to {} s apart, until \
             an answer comes; --flood keeps the interval",
            most.as_secs()
        ),
        Notice::HeldUp { interval, round_trip } => format!(
            "an answer takes {} ms, longer than the interval of {} ms: each probe waits for the answer to the one before; \
             --flood keeps the interval",
            milliseconds(*round_trip),
            milliseconds(*interval),
        ),
        Notice::TooFew { expected, answered, late: late @ 1.., .. } => format!(
            "too few: of {expected} expected, {} answered in time and {late} only later; a longer --wait takes that",
            Counted(*answered, "address", "addresses")
        ),
        Notice::TooFew { expected, answered, elsewhere: 0, .. } => {
            format!("too few: of {expected} expected, {} answered", Counted(*answered, "address", "addresses"))
        }
        Notice::TooFew { elsewhere, .. } => format!(
            "too few: who was asked has not answered, but {} with the right number: its server does not answer from where \
             it was asked, so most programs would hear nothing; --expect 1 takes an answer from anywhere",
            Counted(*elsewhere, "other address has,", "other addresses have,"),
        ),
        Notice::NoEcho { answers } => format!(
            "something answers there, but does not echo ({}): --match any takes any answer",
            Counted(*answers, "other datagram came", "other datagrams came")
        ),
        Notice::PortAsPayload(port) => {
            format!("{port} is sent as a payload, to port 1060; a port stands behind the host: HOST:{port}")
        }
        Notice::InputUnread => {
            "standard input is not read: --lines sends each line, --stdin all of it as one datagram".to_owned()
        }
        Notice::IdClash(id, one, other) => format!(
            "{one} and {other} announce themselves as the same instance, {id}: a copied disk or container has to draw its own"
        ),
        Notice::InterfaceCame(link) => format!("{} can be used now, and is", Name(&link.name)),
        Notice::InterfaceWent(link) => format!("{} cannot be used any more", Name(&link.name)),
        Notice::NoInterfaceYet => {
            "no interface can be used yet; the first that comes is ('halloo interfaces' says why each cannot)"
                .to_owned()
        }
        Notice::Ambiguous(name, one, other) => format!(
            "several services are called {}, at {one} and {other} for two, and which is meant is not guessed: a TYPE, \
             --interface NAME or --secret-file FILE tells them apart",
            Name(name.text())
        ),
        Notice::SecretWritten(file) => format!(
            "wrote {}: 32 random bytes as text, for you alone to read (mode 600); every host of yours needs a copy",
            Name(file)
        ),
        Notice::SecretOfAnother(file, user) => format!(
            "{} belongs to user {user}, who can read and change the secret; 'chown 0' makes it root's",
            Name(file)
        ),
        Notice::NobodyAnnounces { asked, port, secret } => nobody_announces(*asked, *port, *secret),
        Notice::CutShort { after, secret } => cut_short(*after, *secret),
        Notice::ManyOfOne { address, kept } => format!(
            "{address} answers for more than {kept} services: those beyond are not listed, and a true one may be among them, for \
             who makes them up can do so under another's address; with --secret-file, who has the secret is always listed"
        ),
        Notice::ClockJumped => "the clock jumped, as after sleep: everybody is asked again".to_owned(),
        Notice::GroupNotJoined(group, link, fault) => {
            let name = Name(&link.name);
            format!("group {group} is not joined on {name}: {fault}; 'halloo interfaces' shows which interfaces are up")
        }
        // New notices of the library, until they get their own words here.
        _ => "something that this version of the program has no words for".to_owned(),
    }
}

fn cut_short(after: Duration, secret: bool) -> String {
    let (cause, instead) = if secret {
        ("the network is very large or loses much", "")
    } else {
        (
            "the network is very large or loses much, or somebody makes them up",
            "; with --secret-file only who has the secret counts",
        )
    };
    format!(
        "ended after {:.1} s although asking again still brought new ones: {cause}. Some may be missing; --wait DURATION \
         goes on as long as that{instead}",
        after.as_secs_f64()
    )
}

fn nobody_announces(asked: u16, port: u16, secret: bool) -> String {
    let there = if secret { " with the same secret" } else { "" };
    format!(
        "nobody was found. 'halloo announce' has to run there{there}, and UDP port {asked} must be open there. Stateful \
         firewalls on this host drop the answers, for they come from other addresses than were asked: one rule lets them in, \
         'nft add rule inet filter input udp dport {port} accept' (your table and chain may have other names), with \
         'halloo discover --source-port {port}', which keeps the port"
    )
}

fn small_receive_buffer(asked: usize, granted: usize) -> String {
    format!(
        "asked for a receive buffer of {asked} B, the system granted {granted} B: a burst may be dropped, and the summary \
         will say so; on Linux 'sysctl -w net.core.rmem_max={asked}' (as root) allows it"
    )
}

fn fragmented(fragments: &Fragments) -> String {
    let Fragments { link: Link { name, .. }, mtu, len, pieces } = fragments;
    format!(
        "{len} B travel in {pieces} pieces over {} (MTU {mtu}): if one is lost, all are; IP and UDP headers leave {} B \
         for a datagram in one piece (IPv6: {} B)",
        Name(name),
        mtu.saturating_sub(28),
        mtu.saturating_sub(48),
    )
}

/// The notice as a stable word, for JSON.
pub(crate) const fn word(notice: &Notice) -> &'static str {
    match notice {
        Notice::LanCanReach(_) => "lan_can_reach",
        Notice::HearsNoBroadcast(_) => "hears_no_broadcast",
        Notice::PortAsPayload(_) => "port_as_payload",
        Notice::InputUnread => "input_unread",
        Notice::Ipv6Only(_) => "ipv6_only",
        Notice::SmallReceiveBuffer(..) => "small_receive_buffer",
        Notice::Broadcasting(..) => "broadcasting",
        Notice::OddBroadcast(..) => "odd_broadcast",
        Notice::Fragments(_) => "fragments",
        Notice::Resolved(..) => "resolved",
        Notice::BroadcastSilence { .. } => "broadcast_silence",
        Notice::SlowedDown { .. } => "slowed_down",
        Notice::IdClash(..) => "id_clash",
        Notice::ClockJumped => "clock_jumped",
        Notice::HeldUp { .. } => "held_up",
        Notice::TooFew { .. } => "too_few",
        Notice::InterfaceCame(_) => "interface_came",
        Notice::InterfaceWent(_) => "interface_went",
        Notice::NoInterfaceYet => "no_interface_yet",
        Notice::Ambiguous(..) => "ambiguous",
        Notice::SecretWritten(_) => "secret_written",
        Notice::SecretOfAnother(..) => "secret_of_another",
        Notice::NobodyAnnounces { .. } => "nobody_announces",
        Notice::NoEcho { .. } => "no_echo",
        Notice::CutShort { .. } => "cut_short",
        Notice::ManyOfOne { .. } => "many_of_one",
        Notice::GroupNotJoined(..) => "group_not_joined",
        _ => "other",
    }
}

/// Whether it tells of something that went wrong, so that even `--quiet` lets it through.
pub(crate) const fn is_failure(notice: &Notice) -> bool {
    matches!(notice, Notice::GroupNotJoined(..) | Notice::Ambiguous(..))
}

/// `group on eth0`, for the line that says what is listened on.
pub(crate) fn group(group: IpAddr, link: &Link) -> String {
    format!("{group} on {}", Name(&link.name))
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn every_notice_is_one_safe_sentence_with_a_word_of_its_own() {
        let notices = samples::notices();
        let mut words: Vec<_> = notices.iter().map(word).collect();
        for notice in &notices {
            let text = text(notice);
            assert!(text.len() > 12 && !text.chars().any(char::is_control), "{text:?}");
            assert!(!text.contains('{') && !text.contains("  "), "{text}");
        }
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), notices.len());
        assert!(!words.contains(&"other"));
    }

    #[test]
    fn a_limited_broadcast_leaves_by_one_interface() {
        let eth0 = || Some(Link { index: 2, name: "eth0".into() });
        let notice = |address: std::net::Ipv4Addr| Notice::Broadcasting(address, eth0());
        let (limited, directed) = (notice([255; 4].into()), notice([10, 77, 0, 255].into()));
        let said = text(&limited);
        assert!(said.starts_with("255.255.255.255 leaves by eth0 alone: "), "{said}");
        assert!(said.contains("'halloo broadcast --limited'") && !said.contains("is the broadcast address"), "{said}");
        assert!(text(&directed).starts_with("10.77.0.255 is the broadcast address of eth0: "));
        let lesson = |notice| super::super::lessons::of_notice(notice).map(|shown| shown.lesson());
        assert_eq!((lesson(&limited), lesson(&directed)), (Some("limited"), Some("permission")));
    }

    #[test]
    fn silence_advises_the_command_that_was_typed() {
        let said = |probe| text(&Notice::BroadcastSilence { port: 9, probe });
        assert!(said(true).contains("'halloo ping HOST'") && said(false).contains("'halloo send HOST'"));
    }

    #[test]
    fn a_small_buffer_is_said_with_its_remedy() {
        let text = text(&Notice::SmallReceiveBuffer(4_194_304, 212_992));
        assert!(text.contains("asked for a receive buffer of 4194304 B, the system granted 212992 B"), "{text}");
        assert!(text.contains("net.core.rmem_max=4194304"), "{text}");
    }
}
