//! 255.255.255.255 leaves by one interface: the one that the routes choose, or the one that the program chooses.

use std::net::{Ipv4Addr, SocketAddr};
use std::thread::sleep;

use halloo::engine::broadcast::Form;
use halloo::model::Fault;
use halloo::model::event::Role;
use halloo::model::lesson::{Observed, Value};
use halloo::net::bare::Bare;
use halloo::net::error_name;

use crate::lesson::actors::{self, Sends, Server, Serves};
use crate::lesson::card::{Chapter, Lesson, Needs};
use crate::lesson::claim::{Claim, Rule};
use crate::lesson::draw::Drawing;
use crate::lesson::lan::Lan;
use crate::lesson::question::{Ask, Question};
use crate::lesson::stage::{Doing, Place, SILENCE, Stage, Topology, Trouble};
use crate::lesson::text::{Lang, Text, text};

pub(in crate::lesson) const LESSON: Lesson = Lesson {
    name: "limited",
    chapter: Chapter::ToEveryone,
    core: false,
    needs: Needs::Lan,
    title: text("Which door does it take?", "它从哪扇门出去？"),
    question: Question {
        asks: text(
            "multi has two cables, e0 (10.9.0.9/24) and e1 (10.8.0.9/24); its default route goes by e1. A program on \
             multi sets SO_BROADCAST and sends one datagram to 255.255.255.255. Which cables carry it?",
            "multi 有两根网线：e0（10.9.0.9/24）和 e1（10.8.0.9/24），默认路由走 e1。multi 上的一个程序设置了 SO_BROADCAST，\
             向 255.255.255.255 发送一个数据报。它会从哪些网线出去？",
        ),
        ask: Ask::One(DOORS_IN_WORDS, right_doors),
    },
    hint: text(
        "To the routing table 255.255.255.255 is a destination like any other.",
        "对路由表来说，255.255.255.255 和别的目的地址没有两样。",
    ),
    claim: text(
        "\"Everybody\" is everybody behind one door. Who wants all doors sends once by each, as halloo does: {halloo_doors}.",
        "所谓“所有人”，只是一扇门后面的所有人。想走遍每扇门，就得每扇门发一次，halloo 就是这样做的：{halloo_doors}。",
    ),
    checks: &[
        Claim::linux(
            "no_route",
            Rule::Says("ENETUNREACH"),
            text("without a default route it does not leave: {no_route}", "没有默认路由就发不出去：{no_route}"),
        ),
        Claim::linux(
            "plain_doors",
            Rule::Say(&["e1"]),
            text("with one it takes that door alone: {plain_doors}", "有默认路由时只走那一扇门：{plain_doors}"),
        ),
        Claim::linux(
            "bound_doors",
            Rule::Say(&["e0"]),
            text("binding to an address chooses its door: {bound_doors}", "绑定哪个地址，就走哪扇门：{bound_doors}"),
        ),
        Claim::linux(
            "device_doors",
            Rule::Say(&["e0"]),
            text("so does SO_BINDTODEVICE: {device_doors}", "SO_BINDTODEVICE 也能选门：{device_doors}"),
        ),
        Claim::linux(
            "nowhere",
            Rule::Say(&["multi"]),
            text(
                "sent to '' it reaches only {nowhere} itself, from {from}",
                "发往 '' 的只到 {nowhere} 自己，来自 {from}",
            ),
        ),
        Claim::linux(
            "halloo_doors",
            Rule::Say(&["e0", "e1"]),
            text("halloo takes every door: {halloo_doors}", "halloo 每扇门都走：{halloo_doors}"),
        ),
    ],
    elsewhere: text(
        "macOS and Windows are said to use one interface too (not tried by us)",
        "据说 macOS 和 Windows 也只用一个接口（我们没有试过）",
    ),
    try_this: "halloo broadcast hello --limited --dry-run",
    why: text(
        "No router forwards 255.255.255.255, but the sender's kernel still has to choose an interface, and it asks its \
         routes. A laptop with Wi-Fi, a cable and a VPN has three doors and one default route. halloo names the \
         interface with every datagram (IP_PKTINFO), so that it needs no route. The empty address of many programs, '', \
         is 0.0.0.0: a fine address to listen on, but as a destination it is this host itself on Linux.",
        "没有路由器会转发 255.255.255.255，但发送方的内核仍要选一个接口（网卡），它去查路由表。一台笔记本有 Wi-Fi、网线和 VPN，就有三扇门，\
         默认路由却只有一条。halloo 给每个数据报都指明接口（IP_PKTINFO），所以不需要路由。有的教程说客户端把地址写成 ''，就会在\
         所有网卡上广播，这是错的：'' 就是 0.0.0.0，用来监听很好，作为目的地址，在 Linux 上只是本机自己。它们依据的原书里多半写的是 \
         '<broadcast>'，被网页当成标签吃掉了；而就算是 '<broadcast>'，也只从一扇门出去。",
    ),
    run,
    draw,
};

/// The choices.
const DOORS_IN_WORDS: &[Text] = &[
    text("only e0", "只有 e0"),
    text("only e1", "只有 e1"),
    text("both", "两根都走"),
    text("neither: it does not leave", "都不走：发不出去"),
];

/// Who listens, and by which door of `multi` one gets there; no door leads to `multi` itself.
const EARS: [(&str, Option<&str>); 3] = [("alice", Some("e0")), ("dave", Some("e1")), ("multi", None)];

/// What is sent in each way.
const PLAIN: &[u8] = b"plain";
const BOUND: &[u8] = b"bound to an address";
const DEVICE: &[u8] = b"bound to an interface";
const NOWHERE: &[u8] = b"to nowhere";
const HALLOO: &[u8] = b"by every interface";

fn run(stage: &Stage) -> Result<Observed, Trouble> {
    // Broken: the host without a default route has one, and the one with it has none.
    let (without, with) = if stage.sabotaged() {
        (Topology::TwoDoors, Topology::TwoSubnets)
    } else {
        (Topology::TwoSubnets, Topology::TwoDoors)
    };
    let mut observed = Observed::default();
    let lan = stage.lan(without)?;
    observed.put("no_route", outcome(plainly(&lan.at("multi")?, Ipv4Addr::BROADCAST, NO_PORT, PLAIN)?));
    let lan = stage.lan(with)?;
    let ears = Ears::open(&lan)?;
    plain_ways(&mut observed, &lan, &ears)?;
    let from = Sends::from(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
    actors::broadcast(&ears.multi, ears.port, Form::Limited, &[HALLOO], from)?;
    actors::until(|| ears.doors(HALLOO).len() > 1);
    sleep(SILENCE);
    ears.put_heard(&mut observed);
    Ok(observed)
}

/// A port where nobody listens: that of discard (RFC 863).
const NO_PORT: u16 = 9;

/// Sends as a first program does, with nothing but SO_BROADCAST.
fn plainly(place: &Place, to: Ipv4Addr, port: u16, said: &[u8]) -> Result<Result<usize, Fault>, Trouble> {
    let socket = place.within(|| Bare::unbound(true))?.doing("open a socket")?;
    socket.set_broadcast(true).doing("set SO_BROADCAST")?;
    Ok(socket.send_to(said, SocketAddr::from((to, port))))
}

/// What a call gave: the name of its error, if there was one.
fn outcome(result: Result<usize, Fault>) -> String {
    result.map_or_else(error_name, |_| "sent".to_owned())
}

/// The ways that a program of a few lines has.
fn plain_ways(observed: &mut Observed, lan: &Lan, ears: &Ears) -> Result<(), Trouble> {
    let everybody = SocketAddr::from((Ipv4Addr::BROADCAST, ears.port));
    let by_cable = |said| actors::until(|| !ears.doors(said).is_empty());
    let sent = plainly(&ears.multi, Ipv4Addr::BROADCAST, ears.port, PLAIN)?;
    if sent.is_ok() {
        by_cable(PLAIN);
    }
    observed.put("plain", outcome(sent));

    let own = lan.address("multi", "e0")?;
    observed.put("own", own.to_string());
    let bound = ears.multi.within(|| Bare::bind((own, 0).into()))?.doing("bind to an address")?;
    bound.set_broadcast(true).doing("set SO_BROADCAST")?;
    bound.send_to(BOUND, everybody).doing("send from an address")?;
    by_cable(BOUND);

    let device = ears.multi.within(|| Bare::unbound(true))?.doing("open a socket")?;
    device.set_broadcast(true).doing("set SO_BROADCAST")?;
    device.bind_device("e0").doing("bind to an interface")?;
    device.send_to(DEVICE, everybody).doing("send by an interface")?;
    by_cable(DEVICE);

    plainly(&ears.multi, Ipv4Addr::UNSPECIFIED, ears.port, NOWHERE)?.doing("send to 0.0.0.0")?;
    actors::until(|| !ears.who(NOWHERE).is_empty());
    Ok(())
}

/// A listener at each host of [`EARS`].
struct Ears {
    servers: Vec<Server>,
    port: u16,
    multi: Place,
}

impl Ears {
    fn open(lan: &Lan) -> Result<Self, Trouble> {
        let (mut servers, mut port) = (Vec::new(), 0);
        for (host, _) in EARS {
            let local = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
            let server = Server::start(&lan.at(host)?, local, &Serves::a(Role::Listen))?;
            port = server.address().port();
            servers.push(server);
        }
        Ok(Self { servers, port, multi: lan.at("multi")? })
    }

    /// Who has heard this, with the door that leads to them.
    fn hearers(&self, said: &[u8]) -> Vec<(&'static str, Option<&'static str>)> {
        let has = |server: &Server| server.heard().iter().any(|heard| heard.payload == said);
        EARS.into_iter().zip(&self.servers).filter(|(_, server)| has(server)).map(|(ear, _)| ear).collect()
    }

    /// Who has heard this.
    fn who(&self, said: &[u8]) -> Vec<&'static str> {
        self.hearers(said).into_iter().map(|(host, _)| host).collect()
    }

    /// The doors that this has taken.
    fn doors(&self, said: &[u8]) -> Vec<&'static str> {
        self.hearers(said).into_iter().filter_map(|(_, door)| door).collect()
    }

    /// Who has heard what, by which doors, and from where the one to nowhere came.
    fn put_heard(&self, observed: &mut Observed) {
        for (name, doors, said) in [
            ("plain_heard", "plain_doors", PLAIN),
            ("bound_heard", "bound_doors", BOUND),
            ("device_heard", "device_doors", DEVICE),
            ("nowhere", "nowhere_doors", NOWHERE),
            ("halloo_heard", "halloo_doors", HALLOO),
        ] {
            observed.put(name, self.who(said));
            observed.put(doors, self.doors(said));
        }
        let mut heard = self.servers.iter().flat_map(Server::heard);
        if let Some(nowhere) = heard.find(|heard| heard.payload == NOWHERE) {
            observed.put("from", nowhere.source.ip().to_string());
        }
    }
}

/// The choice that was observed.
fn right_doors(observed: &Observed) -> Option<usize> {
    let took = |door: &str| observed.list("plain_doors").contains(&Value::from(door));
    match (took("e0"), took("e1")) {
        (true, false) => Some(0),
        (false, true) => Some(1),
        (true, true) => Some(2),
        (false, false) => Some(3),
    }
}

fn draw(observed: &Observed, lang: Lang) -> Drawing {
    let say = |en, zh| text(en, zh).raw(lang).to_owned();
    let itself = say("multi itself", "multi 自己");
    let mut drawing = Drawing::of([
        say("multi, to 255.255.255.255", "multi，发往 255.255.255.255"),
        String::new(),
        "e0: alice".into(),
        "e1: dave".into(),
        itself,
    ]);
    drawing.cells([say("no default route", "没有默认路由"), String::new(), observed.text("no_route")]);
    let own = observed.text("own");
    for (how, heard) in [
        (say("default route by e1", "默认路由走 e1"), "plain_heard"),
        (say("bind ", "绑定 ") + &own, "bound_heard"),
        (say("SO_BINDTODEVICE e0", "SO_BINDTODEVICE e0"), "device_heard"),
        (say("to '' (0.0.0.0)", "发往 ''（0.0.0.0）"), "nowhere"),
        (say("halloo broadcast --limited", "halloo broadcast --limited"), "halloo_heard"),
    ] {
        let hears = text("hears it", "收到").raw(lang);
        let mark = |host| if observed.list(heard).contains(&Value::from(host)) { hears } else { "-" };
        let [alice, dave, multi] = EARS.map(|(host, _)| mark(host).to_owned());
        drawing.cells([how, String::new(), alice, dave, multi]);
    }
    drawing
}
