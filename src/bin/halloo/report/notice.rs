//! What the user should know: a sentence that says what to do now, and a stable word.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use halloo::model::event::{Ambiguity, Fragments, Missing, Notice};
use halloo::model::target::canonical;
use halloo::model::{About, Link};

use super::escape::Name;
use super::rows::milliseconds;
use super::services::word as quoted;
use super::words::{Counted, unsent};

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
             --answer-broadcast, and over IPv6 only on '[::]'. Stateful firewalls drop such answers, for they come from another address than was asked: \
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
        Notice::TooFewAnswers(expected, answers) => {
            format!("too few: of {expected} expected, {} came", Counted(*answers, "answer", "answers"))
        }
        Notice::NoEcho { answers } => format!(
            "something answers there, but does not echo: {} sent; --match any takes any answer",
            Counted(
                *answers,
                "datagram came that is no probe of this run as it was",
                "datagrams came that are no probes of this run as they were"
            )
        ),
        Notice::PortAsPayload(port) => {
            format!("{port} is sent as a payload, to port 1060; a port stands behind the host: HOST:{port}")
        }
        Notice::AddressAsPayload(address) => format!(
            "{address} is sent as a payload, to everybody; a broadcast address stands behind --to, and one host behind 'halloo send'"
        ),
        Notice::InputUnread => {
            "standard input is not read: --lines sends each line, --stdin all of it as one datagram".to_owned()
        }
        Notice::IdClash(id, one, other) => format!(
            "{one} and {other} announce themselves as the same instance, {id}: a copied disk or container has to draw its own"
        ),
        Notice::InterfaceCame(link) => format!("{} can be used now, and is used from here on", Name(&link.name)),
        Notice::InterfaceWent(link) => format!("{} cannot be used any more", Name(&link.name)),
        Notice::NoInterfaceYet => {
            "no interface can be used yet; the first that can will be used ('halloo interfaces' says why each cannot)"
                .to_owned()
        }
        Notice::Announcing(about) => announcing(about),
        Notice::Ambiguous(two) => ambiguous(two),
        Notice::SecretWritten(file) => format!(
            "wrote {}: 32 random bytes as text, for you alone to read (mode 600); every host of yours needs a copy",
            Name(file)
        ),
        Notice::SecretOfAnother(file, user) => format!(
            "{} belongs to user {user}, who can read and change the secret; 'chown 0' makes it root's",
            Name(file)
        ),
        Notice::WayLost { destination, link, why } => {
            let way = way(*destination, link.as_ref());
            format!(
                "{way}: {}; while that lasts nothing is sent there, and what should have been is counted",
                unsent(*why)
            )
        }
        Notice::WayBack { destination, link } => {
            format!("{}: can be reached again, and is sent to again", way(*destination, link.as_ref()))
        }
        Notice::SendsSlowed { failures, most } => format!(
            "the last {failures} sends failed: fewer are tried, up to {} s apart, until one succeeds; --fail-fast ends at \
             the first",
            most.as_secs()
        ),
        Notice::CutShort { after, secret } => cut_short(*after, *secret),
        Notice::ManyOfOne { address, kept } => format!(
            "{address} answers for more than {kept} services: those beyond are not listed, and a true one may be among them, for \
             who makes them up can do so under another's address; with --secret-file, who has the secret is always listed"
        ),
        Notice::ServicesMissing(missing) => services_missing(missing),
        Notice::AttributesLeftOut { told, of, most } => format!(
            "of {of} attributes, only the first {told} by key fit into the longest answer, of {most} B: nobody hears of the \
             others, 'halloo discover --full' neither; give fewer or shorter ones"
        ),
        Notice::HearsNoAnnouncements(port, fault) => format!(
            "who announces itself is not heard on port {port}: {fault}. Who comes or goes is told when everybody is asked again, \
             every 10 s as a rule; another user's program has the port, or --discovery-port is one that only root may have"
        ),
        Notice::ClockJumped => "the clock jumped, as after sleep: everybody is asked again".to_owned(),
        Notice::KernelDrops { new, total, at_least } => format!(
            "{}{} dropped by the kernel ({total} in all): more came than was read; --receive-buffer holds more of a burst, and \
             -q or --show none reads faster",
            if *at_least { "at least " } else { "" },
            Counted(*new, "datagram was", "datagrams were")
        ),
        Notice::OutputDrops(count) => format!(
            "{} dropped by the output here: whoever reads it is too slow for what comes; the summary counts them, -q writes none \
             of them, and a file is a faster reader than a pipe",
            Counted(*count, "datagram was", "datagrams were")
        ),
        Notice::GroupNotJoined(group, link, fault) => {
            let name = Name(&link.name);
            format!("group {group} is not joined on {name}: {fault}; 'halloo interfaces' shows which interfaces are up")
        }
        // New notices of the library, until they get their own words here.
        _ => "something that this version of the program has no words for".to_owned(),
    }
}

/// `announcing chat, named "blue room", to be used by port 7000`
fn announcing(about: &About) -> String {
    let (kind, name, port) = (about.kind.text(), quoted(about.name.text()), about.port);
    let at = about.advertised.map_or_else(
        || format!("port {port} of the address that answers"),
        |address| SocketAddr::new(address, port).to_string(),
    );
    format!("announcing {kind}, named {name}, to be used by {at}")
}

/// What tells two services apart is said only where it can.
fn ambiguous(two: &Ambiguity) -> String {
    let Ambiguity { name, addresses: [one, other], by_type, by_interface, by_secret } = two;
    let helps: Vec<&str> = [
        (*by_type, "a TYPE tells them apart"),
        (*by_interface, "--interface NAME tells them apart"),
        (*by_secret, "--secret-file FILE tells them apart where only one has the secret"),
        (true, "or give one another name (halloo announce --name)"),
    ]
    .into_iter()
    .filter_map(|(can, help)| can.then_some(help))
    .collect();
    format!(
        "several services are called {}, at {one} and {other} for two, and which is meant is not guessed: {}",
        Name(name.text()),
        helps.join(", ").trim_start_matches("or ")
    )
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

/// A place of a series: by its interface where it has one of its own.
fn way(destination: SocketAddr, link: Option<&Link>) -> String {
    let to = canonical(destination);
    link.map_or_else(|| to.to_string(), |link| format!("{to} by {}", Name(&link.name)))
}

/// What was found, then why it may be no more: first what was seen, then what is known to keep silent, and a firewall only
/// where nothing came at all.
fn services_missing(missing: &Missing) -> String {
    let Missing { found, expected, name, .. } = missing;
    let lead = match name {
        _ if *found > 0 => format!("found {found} of {expected} expected"),
        _ if missing.unsigned + missing.mismatched > 0 => "nobody was found who has this secret".to_owned(),
        Some(name) => format!("nobody was found who is named {}", quoted(name)),
        None => "nobody was found".to_owned(),
    };
    let seen = [pattern(missing), other_names(missing), unproved(missing)];
    // Who is there by almost that name need not be guessed about.
    let silent = missing.nearly.is_none().then(|| silent(missing));
    seen.into_iter().flatten().chain(silent).fold(lead, |text, sentence| format!("{text}. {sentence}"))
}

/// A name that was looked for as it is, and looks like a pattern.
fn pattern(missing: &Missing) -> Option<String> {
    let name = missing.name.as_ref().filter(|name| missing.exact && name.contains(['*', '?']))?;
    let name = quoted(name);
    Some(format!("--resolve takes {name} as it is; with --name, * is any text and ? one character"))
}

fn other_names(missing: &Missing) -> Option<String> {
    let Missing { other_names: others @ 1.., name: Some(name), nearly, .. } = missing else { return None };
    let answered = Counted(*others, "other name", "other names");
    let case = nearly.as_ref().map_or_else(
        || "'halloo discover' shows them".to_owned(),
        |nearly| format!("names are told apart by case, and {} is there", quoted(nearly.text())),
    );
    Some(format!("Services of {answered} answered, none of them is {}; {case}", quoted(name)))
}

/// Who answered, and is not believed.
fn unproved(missing: &Missing) -> Option<String> {
    let Missing { unsigned, mismatched, .. } = missing;
    let unsigned = (*unsigned > 0).then(|| {
        let were = Counted(*unsigned, "answer was", "answers were");
        format!(
            "{were} not signed with this secret: who announces has another, or none (halloo announce --secret-file)"
        )
    });
    let mismatched = (*mismatched > 0).then(|| {
        let who = Counted(*mismatched, "has it and answers", "have it and answer");
        format!("{who} from another address than the one that is signed, which does not count (mismatch)")
    });
    let both: Vec<String> = unsigned.into_iter().chain(mismatched).collect();
    (!both.is_empty()).then(|| both.join(". "))
}

/// Why the others may be silent.
fn silent(missing: &Missing) -> String {
    let Missing { asked, port, secret, typed, .. } = missing;
    let secret = match secret {
        true => "who announces with another secret keeps silent",
        false => "who announces with a secret keeps silent to those without it (--secret-file FILE)",
    };
    let typed = if *typed { ", and so does who announces another type ('halloo discover' shows all)" } else { "" };
    let more = match () {
        () if missing.found > 0 => "; a longer --wait asks longer".to_owned(),
        () if !is_silence(missing) => String::new(),
        () => format!(
            ". Stateful firewalls on this host drop the answers, for they come from other addresses than were asked: one rule \
             lets them in, 'nft add rule inet filter input udp dport {port} accept' (your table and chain may have other \
             names), with 'halloo discover --source-port {port}', which keeps the port"
        ),
    };
    format!("'halloo announce' has to run there, and UDP port {asked} must be open there; {secret}{typed}{more}")
}

/// Whether nothing came at all, from hosts that a firewall could keep away.
pub(crate) const fn is_silence(missing: &Missing) -> bool {
    let Missing { found, other_names, unsigned, mismatched, heard, on_loopback, .. } = missing;
    *found == 0 && *other_names == 0 && *unsigned == 0 && *mismatched == 0 && !*heard && !*on_loopback
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
        "{len} B need {pieces} pieces over {} (MTU {mtu}): if one is lost, all are; IP and UDP headers leave {} B \
         for a datagram in one piece (IPv6: {} B)",
        Name(name),
        mtu.saturating_sub(28),
        mtu.saturating_sub(48),
    )
}

/// The notice as a stable word, for JSON.
pub(crate) fn word(notice: &Notice) -> &'static str {
    match notice {
        Notice::LanCanReach(_) => "lan_can_reach",
        Notice::HearsNoBroadcast(_) => "hears_no_broadcast",
        Notice::PortAsPayload(_) => "port_as_payload",
        Notice::AddressAsPayload(_) => "address_as_payload",
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
        Notice::TooFewAnswers(..) => "too_few_answers",
        Notice::InterfaceCame(_) => "interface_came",
        Notice::InterfaceWent(_) => "interface_went",
        Notice::ServicesMissing(missing) if missing.found == 0 => "nobody_announces",
        Notice::ServicesMissing(_) => "services_missing",
        Notice::AttributesLeftOut { .. } => "attributes_left_out",
        Notice::HearsNoAnnouncements(..) => "hears_no_announcements",
        Notice::NoInterfaceYet => "no_interface_yet",
        Notice::Announcing(_) => "announcing",
        Notice::Ambiguous(..) => "ambiguous",
        Notice::SecretWritten(_) => "secret_written",
        Notice::SecretOfAnother(..) => "secret_of_another",
        Notice::WayLost { .. } => "way_lost",
        Notice::WayBack { .. } => "way_back",
        Notice::SendsSlowed { .. } => "sends_slowed",
        Notice::NoEcho { .. } => "no_echo",
        Notice::CutShort { .. } => "cut_short",
        Notice::ManyOfOne { .. } => "many_of_one",
        Notice::GroupNotJoined(..) => "group_not_joined",
        Notice::KernelDrops { .. } => "kernel_drops",
        Notice::OutputDrops(_) => "output_drops",
        _ => "other",
    }
}

/// Whether it tells of something that went wrong, so that even `--quiet` lets it through.
pub(crate) const fn is_failure(notice: &Notice) -> bool {
    matches!(
        notice,
        Notice::GroupNotJoined(..)
            | Notice::Ambiguous(..)
            | Notice::WayLost { .. }
            | Notice::KernelDrops { .. }
            | Notice::OutputDrops(_)
    )
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
    fn services_that_are_missing_are_explained_by_what_was_seen() {
        let said = |missing: Missing| text(&Notice::ServicesMissing(Box::new(missing)));
        let base = || *samples::missing(0);
        let nothing = said(base());
        assert!(nothing.starts_with("nobody was found. 'halloo announce' has to run there"), "{nothing}");
        assert!(
            nothing.contains("udp dport 40000 accept") && nothing.contains("with a secret keeps silent"),
            "{nothing}"
        );
        let secret = said(Missing { secret: true, ..base() });
        assert!(secret.contains("with another secret keeps silent"), "{secret}");
        let name = || Some("blue room".into());
        let nearly = "Blue Room".parse().ok();
        let case = said(Missing { name: name(), other_names: 3, nearly, ..base() });
        assert!(
            case.starts_with("nobody was found who is named \"blue room\". Services of 3 other names answered"),
            "{case}"
        );
        assert!(!case.contains("has to run there"), "{case}");
        let glob = |exact| said(Missing { name: Some("a*".into()), exact, ..base() });
        assert!(glob(true).contains("named a*. --resolve takes a* as it is; with --name, *"), "{}", glob(true));
        assert!(!glob(false).contains("--resolve"), "{}", glob(false));
        assert!(case.contains("names are told apart by case, and \"Blue Room\" is there"), "{case}");
        let unsigned = said(Missing { secret: true, unsigned: 2, mismatched: 1, ..base() });
        assert!(
            unsigned.starts_with("nobody was found who has this secret. 2 answers were not signed with this secret: "),
            "{unsigned}"
        );
        assert!(unsigned.contains("1 has it and answers from another address"), "{unsigned}");
        let few = said(*samples::missing(2));
        assert!(few.starts_with("found 2 of 3 expected. ") && few.contains("a longer --wait"), "{few}");
        let typed = said(Missing { typed: true, heard: true, ..base() });
        assert!(typed.contains("who announces another type"), "{typed}");
        let lo = said(Missing { on_loopback: true, ..base() });
        for text in [case, unsigned, few, typed, lo] {
            assert!(!text.contains("firewall") && !text.contains("udp dport"), "{text}");
        }
    }

    #[test]
    fn what_is_announced_is_said_by_type_name_and_port() {
        let mut about = samples::service().about;
        (about.name, about.port, about.advertised) = ("blue room".parse().unwrap(), 7000, None);
        let said = |about: &About| text(&Notice::Announcing(Box::new(about.clone())));
        let kind = about.kind.text().to_owned();
        let lead = format!("announcing {kind}, named \"blue room\", to be used by ");
        assert_eq!(said(&about), lead.clone() + "port 7000 of the address that answers");
        about.advertised = "fd00::9".parse().ok();
        assert_eq!(said(&about), lead + "[fd00::9]:7000");
    }

    #[test]
    fn two_of_a_name_are_told_what_can_help_them_alone() {
        let said = |by_type, by_interface, by_secret| {
            let name = "n".parse().unwrap();
            let addresses = ["10.0.0.1:1", "10.0.0.2:1"].map(|address| address.parse().unwrap());
            text(&Notice::Ambiguous(Box::new(Ambiguity { name, addresses, by_type, by_interface, by_secret })))
        };
        let nothing = said(false, false, false);
        assert!(nothing.ends_with("not guessed: give one another name (halloo announce --name)"), "{nothing}");
        for (number, option) in ["TYPE", "--interface", "--secret-file"].into_iter().enumerate() {
            assert!(!nothing.contains(option), "{nothing}");
            assert!(said(number == 0, number == 1, number == 2).contains(option), "{option}");
        }
    }

    #[test]
    fn silence_advises_the_command_that_was_typed() {
        let said = |probe| text(&Notice::BroadcastSilence { port: 9, probe });
        assert!(said(true).contains("'halloo ping HOST'") && said(false).contains("'halloo send HOST'"));
        // The likelier cause comes first.
        let [server, six, firewall] = ["--answer-broadcast", "'[::]'", "firewalls"].map(|word| said(true).find(word));
        assert!(server.is_some() && server < six && six < firewall, "{}", said(true));
    }

    #[test]
    fn a_small_buffer_is_said_with_its_remedy() {
        let text = text(&Notice::SmallReceiveBuffer(4_194_304, 212_992));
        assert!(text.contains("asked for a receive buffer of 4194304 B, the system granted 212992 B"), "{text}");
        assert!(text.contains("net.core.rmem_max=4194304"), "{text}");
    }
}
