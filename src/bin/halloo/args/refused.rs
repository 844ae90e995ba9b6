//! From a refusal to a text: one sentence, and where it can be known, the command that was meant.

use std::error::Error;
use std::ffi::OsString;
use std::fmt;

use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use halloo::model::Verdict;

use super::{Args, habits};

/// Why there is nothing to run: a text to print and the exit code.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Refused {
    /// What to print, lines without a newline behind the last.
    pub(crate) text: String,
    /// The exit code: 0 for help and the version, which were asked for, 2 for a mistake.
    pub(crate) code: u8,
    /// Whether it goes to standard output, because it was asked for, or to standard error.
    pub(crate) to_stdout: bool,
}

/// The options that say where records come from, for the sentence that refuses two of them.
const KINDS: [&str; 12] = [
    "PAYLOAD",
    "--hex",
    "--file",
    "--stdin",
    "--lines",
    "--null",
    "--chunk",
    "--hex-lines",
    "--jsonl",
    "--empty",
    "--size",
    "--interactive",
];

/// The exit code of a line that makes no sense.
const USAGE: u8 = Verdict::Usage.code();

/// What is wrong with what was typed, before it is known how it was typed.
#[derive(Clone, Debug)]
pub(super) struct Mistake {
    sentence: String,
    hints: Vec<String>,
    replacement: Option<Replacement>,
}

/// What to write instead of a word.
#[derive(Clone, Debug)]
struct Replacement {
    /// The word, or `None` for the value that was refused.
    word: Option<String>,
    by: Vec<String>,
}

impl Mistake {
    /// A mistake, said in one sentence without a full stop.
    pub(super) fn new(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), hints: Vec::new(), replacement: None }
    }

    /// Adds a line that says what to do.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Says what was meant by the value that is refused.
    pub(super) fn instead(self, word: impl AsRef<str>) -> Self {
        self.instead_words(&[word.as_ref()])
    }

    /// Says which words were meant by the value that is refused.
    pub(super) fn instead_words(mut self, words: &[&str]) -> Self {
        self.replacement = Some(Replacement { word: None, by: words.iter().map(|w| (*w).to_owned()).collect() });
        self
    }

    /// Says what was meant by another word of the line.
    pub(super) fn replace(mut self, word: String, by: String) -> Self {
        self.replacement = Some(Replacement { word: Some(word), by: vec![by] });
        self
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl Error for Mistake {}

/// The line as it was typed, without the program's name.
#[derive(Clone, Debug)]
pub(super) struct Typed {
    words: Vec<String>,
    /// Whether the words are what was typed and can be shown on a terminal as they are.
    faithful: bool,
}

impl Typed {
    /// The words of a line.
    pub(super) fn new(args: &[OsString]) -> Self {
        let typed = args.get(1..).unwrap_or_default();
        let faithful = typed.iter().all(|word| word.to_str().is_some_and(|word| printable(word) == word));
        Self { words: typed.iter().map(|word| word.to_string_lossy().into_owned()).collect(), faithful }
    }

    /// The command, if one was typed.
    fn command(&self) -> Option<&str> {
        self.words
            .iter()
            .map(String::as_str)
            .find(|word| !word.starts_with('-'))
            .filter(|word| habits::is_command(word))
    }

    /// Whom a sentence is about: the command, or the program.
    fn subject(&self) -> &str {
        self.command().unwrap_or("halloo")
    }

    /// Where more is said.
    fn help(&self) -> String {
        self.command().map_or_else(|| "halloo --help says more".into(), |it| format!("halloo {it} --help says more"))
    }

    /// `words` as a line, if halloo takes them: what is suggested must work.
    fn suggestion(&self, words: &[String]) -> Option<String> {
        let line = || std::iter::once("halloo").chain(words.iter().map(String::as_str));
        let open = words.last().is_some_and(|word| word == "--");
        let taken = self.faithful
            && words != self.words
            && Args::try_parse_from(line()).is_ok_and(|args| args.check(open).is_ok());
        taken.then(|| format!("did you mean: {}", line().map(quoted).collect::<Vec<_>>().join(" ")))
    }

    /// The line with `by` in the place of `word`, at the first place where that makes sense.
    fn with(&self, word: &str, by: &[String]) -> Option<String> {
        let places = self.words.iter().enumerate().filter_map(|(at, typed)| {
            // The value may hang on its option: --from=1060.
            let front = typed.strip_suffix(word)?;
            (front.is_empty() || front.ends_with('=')).then_some((at, front))
        });
        places.into_iter().find_map(|(at, front)| {
            let (first, rest) = by.split_first()?;
            let replaced = std::iter::once(format!("{front}{first}")).chain(rest.iter().cloned());
            let words: Vec<String> =
                self.words[..at].iter().cloned().chain(replaced).chain(self.words[at + 1..].iter().cloned()).collect();
            self.suggestion(&words)
        })
    }

    /// The word behind `--` where it can be a payload, such as `-5`.
    fn with_dashes(&self, payload: &str) -> Option<String> {
        let at = self.words.iter().position(|word| word == payload)?;
        let mut words = self.words.clone();
        let payload = words.remove(at);
        words.extend(["--".to_owned(), payload]);
        self.suggestion(&words)
    }

    /// The option without which nothing would be missing.
    fn demanding(&self) -> Option<&str> {
        let options = self.words.iter().enumerate().filter(|(_, word)| word.starts_with("--") && word.len() > 2);
        let (_, option) = options.into_iter().find(|(at, _)| self.is_complete_without(*at))?;
        option.split('=').next()
    }

    /// Whether nothing is missing without the option at this place and its value.
    fn is_complete_without(&self, at: usize) -> bool {
        let option = &self.words[at];
        let value = !option.contains('=') && habits::takes_value(self.command(), option);
        let behind = self.words.iter().skip(at + 1 + usize::from(value));
        let rest = self.words[..at].iter().chain(behind).map(String::as_str);
        let parsed = Args::try_parse_from(std::iter::once("halloo").chain(rest));
        parsed.err().is_none_or(|error| error.kind() != ErrorKind::MissingRequiredArgument)
    }

    /// An option and the negative number behind it, which clap takes for an option of that name.
    fn negative_value(&self) -> Option<(&str, &str)> {
        self.words.windows(2).find_map(|pair| {
            let [option, value] = pair else { return None };
            let negative = value.strip_prefix('-')?.starts_with(|c: char| c.is_ascii_digit() || c == '.');
            (negative && habits::takes_value(self.command(), option)).then_some((option.as_str(), value.as_str()))
        })
    }
}

/// A text without anything that a terminal would act on or that hides: those are written as escapes.
fn printable(text: &str) -> String {
    let hidden = |c: char| !"'\"\\".contains(c) && c.escape_debug().len() > 1;
    text.chars().fold(String::with_capacity(text.len()), |mut shown, c| {
        if hidden(c) {
            shown.extend(c.escape_debug());
        } else {
            shown.push(c);
        }
        shown
    })
}

/// A word as a shell needs it.
fn quoted(word: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:%@=,+".contains(&b);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

impl Refused {
    /// What clap refuses, or what it was asked to print.
    pub(super) fn from_clap(error: &clap::Error, typed: &Typed) -> Self {
        let text = || error.to_string().trim_end().to_owned();
        match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Self { text: text(), code: 0, to_stdout: true },
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Self { text: text(), code: USAGE, to_stdout: false },
            _ => Self::with_value(&translated(error, typed), typed, &word(error, ContextKind::InvalidValue)),
        }
    }

    /// What was refused after clap.
    pub(super) fn from_mistake(mistake: &Mistake, typed: &Typed) -> Self {
        Self::with_value(mistake, typed, "")
    }

    fn with_value(mistake: &Mistake, typed: &Typed, value: &str) -> Self {
        let mut hints = mistake.hints.clone();
        let replaced = mistake.replacement.as_ref().map(|Replacement { word, by }| {
            let word = word.as_deref().unwrap_or(value);
            typed.with(word, by).unwrap_or_else(|| format!("did you mean {}", by.join(" ")))
        });
        let from_habit = || typed.suggestion(&habits::translate(&typed.words));
        let asked = hints.iter().any(|hint| hint.starts_with("did you mean"));
        let meant = if asked { None } else { replaced.or_else(from_habit) };
        hints.splice(0..0, meant);
        if hints.is_empty() {
            hints.push(typed.help());
        }
        let sentence = std::iter::once(format!("halloo: {mistake}"));
        let lines = sentence.chain(hints.iter().map(|hint| format!("        {hint}")));
        let text = lines.map(|line| printable(&line)).collect::<Vec<_>>().join("\n");
        Self { text, code: USAGE, to_stdout: false }
    }
}

/// A context of clap's error as a word; empty where there is none.
fn word(error: &clap::Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::String(word)) => word.clone(),
        // Suggestions stand in the order of their likeness, the best last.
        Some(ContextValue::Strings(words)) => words.last().cloned().unwrap_or_default(),
        _ => String::new(),
    }
}

/// `--count <N>` and `[PAYLOAD]...` as one calls them: `--count`, `PAYLOAD`.
fn name(argument: &str) -> String {
    let first = argument.split([' ', '=']).next().unwrap_or_default();
    first.trim_end_matches('.').trim_matches(['<', '>', '[', ']']).to_owned()
}

/// What clap found, in our words.
fn translated(error: &clap::Error, typed: &Typed) -> Mistake {
    if let Some((option, value)) = typed.negative_value() {
        return Mistake::new(format!("{option}: {value:?} is negative"));
    }
    let argument = name(&word(error, ContextKind::InvalidArg));
    match error.kind() {
        ErrorKind::ValueValidation => refused_value(error, &argument),
        ErrorKind::InvalidValue => invalid_value(error, &argument),
        ErrorKind::InvalidSubcommand => unknown_command(error, typed),
        ErrorKind::UnknownArgument => unknown_argument(error, typed),
        ErrorKind::ArgumentConflict => conflict(&argument, &name(&word(error, ContextKind::PriorArg))),
        ErrorKind::MissingRequiredArgument if argument == "TARGET" => {
            Mistake::new(format!("{} needs a TARGET: where to send", typed.subject()))
                .hint("for example: halloo send 127.0.0.1:1060 hello")
        }
        ErrorKind::MissingRequiredArgument => missing(&argument, typed),
        ErrorKind::MissingSubcommand => Mistake::new("a command is missing").hint(commands()),
        ErrorKind::TooManyValues => Mistake::new(format!("{argument} takes no value")),
        ErrorKind::InvalidUtf8 => {
            Mistake::new("an argument is not valid UTF-8; only PAYLOAD, TEXT and paths may be any bytes")
        }
        // What is left cannot be typed today; clap's own first line is better than silence.
        _ => Mistake::new(error.to_string().lines().next().unwrap_or_default().trim_start_matches("error: ")),
    }
}

/// What is missing, and of a command that cannot do without it, an example of one that has it.
fn missing(argument: &str, typed: &Typed) -> Mistake {
    if let Some(option) = typed.demanding() {
        return Mistake::new(format!("{option} needs {argument}"));
    }
    let mistake = Mistake::new(format!("{} needs {argument}", typed.subject()));
    match typed.command() {
        Some("announce") => mistake.hint("for example: halloo announce chat --port 7000"),
        Some("secret") => mistake.hint("for example: halloo secret lan.key"),
        _ => mistake,
    }
}

/// A value that one of our own parsers refused: it said why.
fn refused_value(error: &clap::Error, argument: &str) -> Mistake {
    let Some(source) = error.source() else { return Mistake::new(format!("{argument}: that value makes no sense")) };
    let mistake = source.downcast_ref::<Mistake>().cloned().unwrap_or_else(|| Mistake::new(source.to_string()));
    if !argument.starts_with('-') {
        return mistake;
    }
    Mistake { sentence: format!("{argument}: {}", mistake.sentence), ..mistake }
}

/// A value that is none of a few, or that is missing.
fn invalid_value(error: &clap::Error, argument: &str) -> Mistake {
    let value = word(error, ContextKind::InvalidValue);
    let choice = match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(choice)) => choice.join(", "),
        _ => String::new(),
    };
    let mistake = match (value.as_str(), choice.as_str()) {
        ("", "") => Mistake::new(format!("{argument} needs a value")),
        ("", _) => Mistake::new(format!("{argument} needs a value: one of {choice}")),
        _ => Mistake::new(format!("{argument}: {value:?} is none of {choice}")),
    };
    match similar(&value, &word(error, ContextKind::SuggestedValue), &choice) {
        None => mistake,
        Some(suggested) => mistake.instead(suggested),
    }
}

/// What was meant by a value. Its first letter decides: by similarity alone clap takes `bcast` for `unicast`.
fn similar<'a>(value: &str, suggested: &'a str, choice: &'a str) -> Option<&'a str> {
    let first = value.chars().next()?;
    let mut same = choice.split(", ").filter(|one| one.starts_with(first));
    if suggested.starts_with(first) {
        return Some(suggested);
    }
    same.next().filter(|_| same.next().is_none())
}

/// The one of a few names that is most like a word: the same likeness by which commands are suggested.
pub(crate) fn most_like(word: &str, names: impl IntoIterator<Item = &'static str>) -> Option<String> {
    let name = clap::Arg::new("name").value_parser(clap::builder::PossibleValuesParser::new(names));
    let error = clap::Command::new("halloo").no_binary_name(true).arg(name).try_get_matches_from([word]).err()?;
    Some(self::word(&error, ContextKind::SuggestedValue)).filter(|name| !name.is_empty())
}

fn commands() -> String {
    let commands = Args::in_full();
    let names: Vec<_> = commands.get_subcommands().map(clap::Command::get_name).collect();
    format!("the commands are {}", names.join(", "))
}

fn unknown_command(error: &clap::Error, typed: &Typed) -> Mistake {
    let command = word(error, ContextKind::InvalidSubcommand);
    if let Some(line) = typed.suggestion(&habits::translate(&typed.words)) {
        let what = if command.bytes().all(|b| b.is_ascii_digit()) { "a port" } else { "an address" };
        return Mistake::new(format!("{command:?} is {what}, and a command stands in front of it")).hint(line);
    }
    let mistake = Mistake::new(format!("{command:?} is not a command")).hint(commands());
    match word(error, ContextKind::SuggestedSubcommand) {
        // "help" is like many words and is hardly ever meant.
        suggested if suggested.is_empty() || suggested == "help" => mistake,
        suggested => mistake.replace(command, suggested),
    }
}

fn unknown_argument(error: &clap::Error, typed: &Typed) -> Mistake {
    let raw = word(error, ContextKind::InvalidArg);
    let (argument, subject) = (name(&raw), typed.subject());
    if !raw.starts_with('-') {
        return one_too_many(&raw, typed);
    }
    let mistake = Mistake::new(format!("{subject} has no option {argument}"));
    let suggested = name(&word(error, ContextKind::SuggestedArg));
    let likely = Some(suggested).filter(|suggested| !suggested.is_empty() && is_like(&argument, suggested));
    if let Some(meant) = habits::option_of_time(typed.command(), &argument).map(str::to_owned).or(likely) {
        return mistake.replace(argument, meant);
    }
    if let Some(meant) = habits::option_with(typed.command(), &argument) {
        return mistake.replace(argument, meant);
    }
    if raw.starts_with("--") && typed.suggestion(&habits::translate(&typed.words)).is_none() {
        return of_others(mistake, &argument);
    }
    if raw.starts_with("--") || !matches!(typed.command(), Some("send" | "broadcast")) {
        return mistake;
    }
    // The short option that clap names may be the beginning of the word: -5 of -500.
    let whole = typed.words.iter().find(|typed| typed.starts_with(&raw)).cloned().unwrap_or(raw);
    match typed.with_dashes(&whole) {
        Some(line) if habits::translate(&typed.words) == typed.words => {
            mistake.hint("a PAYLOAD that begins with - stands behind --").hint(line)
        }
        _ => mistake,
    }
}

/// An option that this command has not, and others have: whose help says more.
fn of_others(mistake: Mistake, option: &str) -> Mistake {
    match habits::owners(option).as_slice() {
        [] => mistake,
        [one] => mistake.hint(format!("it is an option of {one}")),
        [most @ .., last] => mistake.hint(format!("it is an option of {} and {last}", most.join(", "))),
    }
}

/// A word that has no place: of a program that is to run, the first.
fn one_too_many(word: &str, typed: &Typed) -> Mistake {
    let mistake = Mistake::new(format!("{word:?} is one argument too many for {}", typed.subject()));
    let behind = (typed.command() == Some("announce")).then(|| typed.with(word, &["--".to_owned(), word.to_owned()]));
    match behind.flatten() {
        Some(line) => mistake.hint("a COMMAND to run stands behind --").hint(line),
        None => mistake,
    }
}

/// Whether one option may have been typed for the other: it begins like it, or few letters are wrong. By its own measure clap
/// takes `--deadline` for `--hex-lines`.
fn is_like(typed: &str, option: &str) -> bool {
    let (typed, option) = (typed.trim_start_matches('-'), option.trim_start_matches('-'));
    let begins = typed.len() > 1 && (option.starts_with(typed) || typed.starts_with(option));
    begins || strsim::osa_distance(typed, option) <= (typed.len().max(option.len()) / 3).max(1)
}

fn conflict(one: &str, other: &str) -> Mistake {
    if one == other {
        return Mistake::new(format!("{one} is given twice, and it can be given once"));
    }
    let kind = |name: &str| KINDS.contains(&name);
    if !kind(one) || !kind(other) {
        return Mistake::new(format!("{one} does not go with {other}"));
    }
    let sentence = format!("{one} and {other} are two kinds of source; one run sends records of one kind");
    let mut mistake = Mistake::new(sentence);
    if [one, other].contains(&"--interactive") {
        mistake = mistake.hint("-i is --interactive, a prompt; an interface is chosen by --interface");
    }
    mistake
        .hint("one datagram: PAYLOAD, --hex, --file, --stdin, --empty, --size")
        .hint("a stream of them: --lines, --null, --chunk, --hex-lines, --jsonl, --interactive")
        .hint("--file goes with --lines, --null, --chunk, --hex-lines and --jsonl: they read the file then")
}
