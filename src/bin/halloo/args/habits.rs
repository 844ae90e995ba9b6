//! What those type who come from nc, ping, ncat or tcpdump, said in halloo's words.
//!
//! This only proposes. What comes out is suggested when halloo would take it, and never run.

use clap::{Command, Subcommand};
use halloo::model::{Host, Target};

use super::Args;

/// Whether `word` is a command.
pub(super) fn is_command(word: &str) -> bool {
    <super::Command as Subcommand>::has_subcommand(word)
}

/// Whether the option of that command takes the next word as its value.
pub(super) fn takes_value(command: Option<&str>, option: &str) -> bool {
    let all = Args::in_full();
    let in_command = command.and_then(|name| all.find_subcommand(name));
    in_command.into_iter().chain([&all]).any(|command| option_of(command, option))
}

/// The option by which this command is given a time, for one by which others are.
pub(super) fn option_of_time(command: Option<&str>, typed: &str) -> Option<&'static str> {
    const OPTIONS: [&str; 3] = ["--deadline", "--timeout", "--wait"];
    let means_time = OPTIONS.contains(&typed) || ["--time", "--duration"].contains(&typed);
    OPTIONS.into_iter().find(|option| means_time && takes_value(command, option))
}

/// The one option of this command of whose name the word is a part: `--fail-on-loss` for `--loss`.
pub(super) fn option_with(command: Option<&str>, typed: &str) -> Option<String> {
    let (part, all) = (typed.strip_prefix("--")?, Args::in_full());
    let mut named = all
        .find_subcommand(command?)?
        .get_arguments()
        .filter_map(|arg| arg.get_long())
        .filter(|long| long.split('-').any(|word| word == part));
    named.next().filter(|_| named.next().is_none()).map(|long| format!("--{long}"))
}

/// The commands that have an option of this name, in the order of the alphabet.
pub(super) fn owners(option: &str) -> Vec<String> {
    let (Some(long), all) = (option.strip_prefix("--"), Args::in_full()) else { return Vec::new() };
    let has = |command: &&Command| command.get_arguments().any(|arg| arg.get_long() == Some(long));
    let mut owners: Vec<String> =
        all.get_subcommands().filter(has).map(|command| command.get_name().to_owned()).collect();
    owners.sort();
    owners
}

fn option_of(command: &Command, option: &str) -> bool {
    let long = option.strip_prefix("--");
    let short = option.strip_prefix('-').and_then(|rest| rest.chars().next());
    command.get_arguments().any(|arg| {
        let named = if long.is_some() { arg.get_long() == long } else { short.is_some() && arg.get_short() == short };
        named && arg.get_action().takes_values()
    })
}

/// A line taken apart.
#[derive(Debug, Default)]
struct Line {
    command: Option<String>,
    /// Words that belong to no option, in order.
    places: Vec<String>,
    options: Vec<String>,
    /// What stands behind `--`, with it.
    behind: Vec<String>,
    /// A port that was given as an option of its own.
    port: Option<String>,
    /// Whether options of nc were there: then a number behind the host is the port.
    nc: bool,
    /// Whether `-l` was there.
    listens: bool,
}

/// The line in halloo's words; the same line when there is nothing to translate.
pub(super) fn translate(words: &[String]) -> Vec<String> {
    let Some(line) = Line::read(words) else { return words.to_vec() };
    line.written()
}

/// Whether a word is a port and nothing else.
fn is_port(word: &str) -> bool {
    word.bytes().all(|b| b.is_ascii_digit()) && word.parse::<u16>().is_ok()
}

impl Line {
    /// Takes the line apart; `None` when nothing in it is foreign.
    fn read(words: &[String]) -> Option<Self> {
        let mut line = Self::default();
        let mut foreign = false;
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            if word == "--" {
                line.behind = std::iter::once(word).chain(rest.by_ref()).cloned().collect();
            } else if !word.starts_with('-') || word == "-" {
                foreign |= line.place(word);
            } else if let Some(own) = line.own_flag(word) {
                foreign = true;
                line.options.push(own.to_owned());
            } else if let Some(flags) = nc_flags(word).filter(|_| !line.is_own(word)) {
                foreign = true;
                line.nc = true;
                line.listens |= flags.contains('l');
                if flags.ends_with('p') {
                    line.port = rest.next().cloned();
                }
            } else if let Some((own, attached)) = line.own_option(word) {
                foreign = true;
                let value = attached.or_else(|| rest.next().cloned());
                match own {
                    PORT => line.port = value,
                    own => line.options.extend(std::iter::once(own.to_owned()).chain(value)),
                }
            } else {
                line.options.push(word.clone());
                if !word.contains('=') && takes_value(line.command.as_deref(), word) {
                    line.options.extend(rest.next().cloned());
                }
            }
        }
        (foreign || line.misplaced()).then_some(line)
    }

    /// Takes a word that belongs to no option. Says whether it stands where a command should.
    fn place(&mut self, word: &str) -> bool {
        if self.command.is_none() && self.places.is_empty() && is_command(word) {
            self.command = Some(word.to_owned());
            return false;
        }
        self.places.push(word.to_owned());
        self.command.is_none()
    }

    /// Whether a word stands where this command has no place for it, or a number where it has an address.
    fn misplaced(&self) -> bool {
        match self.command.as_deref() {
            Some("listen" | "echo" | "length") => self.places.len() > 1 || self.places.iter().any(|word| is_port(word)),
            Some("ping") => self.places.len() > 1,
            Some("interfaces") => !self.places.is_empty(),
            _ => false,
        }
    }

    /// Whether nc's option is one of this command's own.
    fn is_own(&self, word: &str) -> bool {
        word == BROADCAST && self.command.as_deref() == Some("ping")
    }

    /// The option without a value that one of ping(8) stands for.
    fn own_flag(&self, word: &str) -> Option<&'static str> {
        match word {
            _ if self.command.as_deref() != Some("ping") => None,
            "-b" => Some(BROADCAST),
            "-f" => Some("--flood"),
            _ => None,
        }
    }

    /// The option of halloo that another tool's option stands for, and the value that hangs on it.
    fn own_option(&self, word: &str) -> Option<(&'static str, Option<String>)> {
        let (option, attached) = match word.split_once('=') {
            Some((option, value)) => (option, Some(value)),
            None if word.starts_with("--") => (word, None),
            None => word.split_at_checked(2).map(|(option, value)| (option, (!value.is_empty()).then_some(value)))?,
        };
        let sends = matches!(self.command.as_deref(), Some("send" | "broadcast"));
        let pings = self.command.as_deref() == Some("ping");
        let announces = self.command.as_deref() == Some("announce");
        let to_everybody =
            self.command.as_deref() == Some("broadcast") || announces || (pings && self.places.is_empty());
        let own = match option {
            "--port" if to_everybody => return None,
            "-p" if to_everybody => "--port",
            "-p" | "--port" => PORT,
            "-w" if sends => "--wait",
            "-W" if pings => "--wait",
            "-w" if pings => "--deadline",
            "-i" if pings => "--interval",
            "-w" => "--timeout",
            "-c" => "--count",
            "-s" if sends || pings => "--size",
            "-I" => "--interface",
            "-i" if !sends => "--interface",
            _ => return None,
        };
        Some((own, attached.map(str::to_owned)))
    }

    /// Puts the line together again.
    fn written(mut self) -> Vec<String> {
        let command = self.command.clone().unwrap_or_else(|| self.meant().to_owned());
        match command.as_str() {
            "listen" | "echo" | "length" => self.join_address(true),
            // Everybody at one address, as ping(8) has it, is no TARGET.
            "ping" if self.options.iter().any(|option| option == BROADCAST) && self.places.len() == 1 => {
                let address = self.places.remove(0);
                self.options.extend(["--to".to_owned(), address]);
                self.options.extend(self.port.take().into_iter().flat_map(|port| ["--port".to_owned(), port]));
            }
            "ping" => self.join_address(true),
            "send" => self.join_address(self.command.is_none() || self.nc),
            "interfaces" => {
                let named = std::mem::take(&mut self.places);
                self.options.extend(named.into_iter().flat_map(|name| ["--interface".to_owned(), name]));
            }
            _ => {}
        }
        std::iter::once(command).chain(self.places).chain(self.options).chain(self.behind).collect()
    }

    /// The command that is missing: a port or nothing at all is listened on, an address is sent to.
    fn meant(&self) -> &'static str {
        let ported = self.port.is_some() || self.places.get(1).is_some_and(|word| is_port(word));
        let host = self.places.first().and_then(|word| word.parse::<Target>().ok()).and_then(|target| match target {
            // A name alone is no address: it could be anything.
            Target { host: Some(Host::Name(_)), port: None } if !ported => None,
            target => target.host,
        });
        let address = host.is_some() && !self.listens;
        let port = self.places.first().is_none_or(|word| is_port(word) || word.starts_with(':'));
        match (address, port || self.listens) {
            (true, _) => "send",
            (_, true) => "listen",
            _ => "",
        }
    }

    /// Makes one address of a host and a port that were typed as two.
    fn join_address(&mut self, second_is_port: bool) {
        let split = second_is_port
            && self.port.is_none()
            && self.places.get(1).is_some_and(|word| is_port(word))
            && self.places[0].parse().is_ok_and(|target: Target| target.port.is_none());
        if split {
            self.port = Some(self.places.remove(1));
        }
        let alone = self.port.is_none() && self.places.first().is_some_and(|word| is_port(word));
        if alone {
            self.port = Some(self.places.remove(0));
        }
        let Some(port) = self.port.take() else { return };
        let host = if self.places.is_empty() { String::new() } else { self.places.remove(0) };
        // A colon in a host alone can only be IPv6, which is bracketed before a port.
        let host = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host };
        self.places.insert(0, format!("{host}:{port}"));
    }
}

/// What probes everybody.
const BROADCAST: &str = "--broadcast";

/// The mark of an option that holds a port.
const PORT: &str = "";

/// The letters of an option such as `-lu`, where all of them are nc's and mean nothing here or "listen".
fn nc_flags(word: &str) -> Option<&str> {
    match word {
        "--udp" | "--broadcast" => return Some(""),
        "--listen" => return Some("l"),
        _ => {}
    }
    let flags = word.strip_prefix('-')?;
    let nc = flags.trim_end_matches('p');
    let known = !nc.is_empty() && nc.bytes().all(|b| b"luknb".contains(&b)) && flags.len() - nc.len() <= 1;
    known.then_some(flags)
}
