//! What strangers say, on a terminal: nothing of it acts there, and it reads back.

use std::cell::RefCell;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use arbitrary::Arbitrary;
use data_encoding::BASE64;
use halloo::model::event::{Ignored, Received, Sink};
use halloo::model::record::unescape;
use halloo::model::service::{Change, Path};
use halloo::model::{About, Attributes, Datagram, Event, Family, InstanceId, Now, Service, Trust};
use serde_json::Value;

use crate::report::escape::{Name, Preview, harmless};
use crate::report::{Human, Json, Options, Show, Style, replay};

#[derive(Arbitrary, Debug)]
struct Input<'b> {
    most: u16,
    interface: &'b str,
    service: &'b str,
    value: &'b str,
    payload: &'b [u8],
}

const NOW: Now = Now { run: Duration::from_secs(1), wall: SystemTime::UNIX_EPOCH };

/// Runs it.
pub fn run(input: &[u8]) {
    preview(input, usize::MAX);
    let Some(input) = crate::made_of::<Input<'_>>(input) else { return };
    preview(input.payload, input.most.into());
    for text in [input.interface, input.service, input.value] {
        names(text);
    }
    let datagram = crate::datagram(input.payload, input.interface);
    let service = service(&input);
    let received = Event::Received(Received { seq: 0, datagram: &datagram });
    for show in [Show::Text, Show::Hex, Show::None] {
        let told = [received.clone(), Event::Ignored(Ignored::OwnPort, &datagram)];
        people(Options { show, verbose: true, ..Options::new(Style::Receive) }, &told);
    }
    let told = [Event::Service(Change::Found, &service), Event::Service(Change::Listed, &service)];
    people(Options { verbose: true, ..Options::new(Style::Discover) }, &told);
    recorded(&received, &datagram);
    programs(&told);
}

/// A preview says how much it leaves out, and what it shows is the beginning of the payload.
fn preview(bytes: &[u8], most: usize) {
    let text = Preview { bytes, most }.to_string();
    assert!(crate::is_harmless(&text), "{text:?}");
    assert!(!text.contains('\n'), "one line");
    if bytes.is_empty() {
        assert_eq!(text, "(empty)");
        return;
    }
    let quoted = text.strip_prefix('"').expect("a quote in front");
    let (shown, more) = quoted.rsplit_once('"').expect("a quote behind");
    assert!(shown.chars().count() <= most);
    let left: usize =
        more.strip_prefix(" +").map_or(0, |more| more.trim_end_matches(" more").parse().expect("a number"));
    assert_eq!(unescape(shown).expect("it reads back"), bytes[..bytes.len() - left]);
}

fn names(text: &str) {
    let safe = harmless(text);
    assert!(crate::is_harmless(&safe) && !safe.contains('\n'));
    assert_eq!(harmless(&safe), safe, "what is harmless stays");
    let padded = format!("{:<9}", Name(text));
    assert!(padded.starts_with(&*safe) && padded.chars().count() >= 9);
}

/// Lines for people.
fn people(options: Options, told: &[Event<'_>]) {
    let text = lines(told, |data, notes| Box::new(Human::new(options, data, notes)));
    assert!(crate::is_harmless(&text), "{text:?}");
}

/// Lines for programs: each one is JSON.
fn programs(told: &[Event<'_>]) -> Vec<Value> {
    let text = lines(told, |data, notes| Box::new(Json::new(data, notes)));
    assert!(crate::is_harmless(&text), "{text:?}");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// A recorded datagram holds what came, and can be sent again.
fn recorded(received: &Event<'_>, datagram: &Datagram<'_>) {
    let line = lines(std::slice::from_ref(received), |data, notes| Box::new(Json::new(data, notes)));
    let value = &programs(std::slice::from_ref(received))[0];
    assert_eq!(value["iface"].as_str(), datagram.link.as_ref().map(|link| &*link.name));
    let held = match (value["data"].as_str(), value["data_b64"].as_str()) {
        (Some(text), None) => text.as_bytes().to_vec(),
        (None, Some(text)) => BASE64.decode(text.as_bytes()).expect("base64"),
        _ => panic!("one of the two: {value}"),
    };
    assert_eq!(held, datagram.payload);
    let replayed = replay(line.as_bytes(), Family::V6).expect("a recording").expect("a datagram");
    assert_eq!(replayed.payload.bytes(), datagram.payload);
    assert_eq!(replayed.stamp, Some(datagram.stamp.wall));
}

/// All that a sink writes, to either side.
fn lines(told: &[Event<'_>], sink: impl FnOnce(Page, Page) -> Box<dyn Sink>) -> String {
    let page = Page::default();
    let mut sink = sink(page.clone(), page.clone());
    for event in told {
        sink.event(NOW, event).expect("a page takes everything");
    }
    sink.flush().expect("a page takes everything");
    String::from_utf8(page.0.borrow().clone()).expect("text")
}

/// A writer that can be looked at while a sink holds it.
#[derive(Clone, Default)]
struct Page(Rc<RefCell<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn service(input: &Input<'_>) -> Service {
    let path = Path { link: None, source: (Ipv4Addr::LOCALHOST, 1061).into(), claimed: None, on_link: true };
    Service {
        about: About {
            id: InstanceId(7),
            name: input.service.parse().unwrap_or_else(|_| "x".parse().expect("a name")),
            kind: "chat".parse().expect("a type"),
            port: 7000,
            advertised: None,
            attributes: Attributes::new([("key", input.value)]).unwrap_or_default(),
            ttl: Duration::from_secs(30),
        },
        more: false,
        full: false,
        trust: Trust::Unverified,
        paths: vec![path],
        heard: NOW,
    }
}
