//! 255.255.255.255 leaves by one interface: the one that the routes choose, or the one that the program chooses.

use std::net::{Ipv4Addr, SocketAddr};

use halloo::engine::broadcast::Form;
use halloo::model::Fault;
use halloo::model::event::Role;
use halloo::model::lesson::{Observed, Value};
use halloo::net::bare::Bare;

use crate::lesson::actors::{self, Sends, Server, Serves};
use crate::lesson::card::{Chapter, Lesson, Needs};
use crate::lesson::claim::{Claim, Rule};
use crate::lesson::draw::Drawing;
use crate::lesson::lan::Lan;
use crate::lesson::question::{Ask, Question};
use crate::lesson::stage::{Doing, Place, Stage, Topology, Trouble};
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
                "sent to '' (in Python) it reaches only {nowhere}, from {from}",
                "在 Python 里发往 '' 的只到 {nowhere} 自己，来自 {from}",
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
        "No router forwards 255.255.255.255, but the sender's kernel still has to choose an interface, and it asks \
         its routes. A laptop with Wi-Fi, a cable and a VPN has three doors and one default route. halloo names \
         the interface with every datagram (IP_PKTINFO), so that it needs no route. In Python the empty address '' \
         is 0.0.0.0: a fine address to listen on, but as a destination it is this host itself on Linux. \
         '<broadcast>' is 255.255.255.255, and that takes one door, too.",
        "没有路由器会转发 255.255.255.255，但发送方的内核仍要选一个接口（网卡），它去查路由表。一台笔记本有 Wi-Fi、网线和 VPN，就有三扇门，\
         默认路由却只有一条。halloo 给每个数据报都指明接口（IP_PKTINFO），所以不需要路由。\
         网上有一种说法：Python 客户端把地址写成 ''，就会在所有网卡上广播。其实 '' 就是 0.0.0.0，用来监听很好，作为目的地址，\
         在 Linux 上只是本机自己；'<broadcast>' 才是 255.255.255.255，而它也只从一扇门出去。",
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
    observed.put("first_has_default", without == Topology::TwoDoors);
    observed.put("then_has_default", with == Topology::TwoDoors);
    let lan = stage.lan(without)?;
    let sent = plainly(&lan.at("multi")?, Ipv4Addr::BROADCAST, actors::DISCARD, PLAIN)?;
    observed.put("no_route", actors::said(&sent));
    let lan = stage.lan(with)?;
    let ears = Ears::open(&lan)?;
    plain_ways(&mut observed, &lan, &ears, stage.sabotaged())?;
    // Broken: one more program of a few lines in the place of halloo.
    let last_way = if stage.sabotaged() {
        plainly(&ears.multi, Ipv4Addr::BROADCAST, ears.port, HALLOO).map(|_| "sendto()")
    } else {
        actors::broadcast(&ears.multi, ears.port, Form::Limited, &[HALLOO], Sends::anyhow())
            .map(|_| "halloo broadcast --limited")
    };
    observed.put("last_way", last_way?);
    ears.until_it_is_over(&lan)?;
    ears.put_heard(&mut observed);
    Ok(observed)
}

/// Sends as a first program does, with nothing but SO_BROADCAST.
fn plainly(place: &Place, to: Ipv4Addr, port: u16, said: &[u8]) -> Result<Result<usize, Fault>, Trouble> {
    let socket = place.within(|| Bare::unbound(true))?.doing("open a socket")?;
    socket.set_broadcast(true).doing("set SO_BROADCAST")?;
    Ok(socket.send_to(said, SocketAddr::from((to, port))))
}

/// The ways that a program of a few lines has.
fn plain_ways(observed: &mut Observed, lan: &Lan, ears: &Ears, sabotaged: bool) -> Result<(), Trouble> {
    let everybody = SocketAddr::from((Ipv4Addr::BROADCAST, ears.port));
    let sent = plainly(&ears.multi, Ipv4Addr::BROADCAST, ears.port, PLAIN)?;
    observed.put("plain", actors::said(&sent));

    // Broken: the other door is chosen, and somebody's address instead of nobody's.
    let door = if sabotaged { "e1" } else { "e0" };
    let nowhere = if sabotaged { lan.address("alice", "e0")? } else { Ipv4Addr::UNSPECIFIED };
    observed.put("device", door);
    observed.put("nowhere_to", nowhere.to_string());
    let own = lan.address("multi", door)?;
    observed.put("own", own.to_string());
    let bound = ears.multi.within(|| Bare::bind((own, 0).into()))?.doing("bind to an address")?;
    bound.set_broadcast(true).doing("set SO_BROADCAST")?;
    bound.send_to(BOUND, everybody).doing("send from an address")?;

    let device = ears.multi.within(|| Bare::unbound(true))?.doing("open a socket")?;
    device.set_broadcast(true).doing("set SO_BROADCAST")?;
    device.bind_device(door).doing("bind to an interface")?;
    device.send_to(DEVICE, everybody).doing("send by an interface")?;

    plainly(&ears.multi, nowhere, ears.port, NOWHERE)?.doing("send to 0.0.0.0")?;
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
        let places = EARS.map(|(host, _)| lan.at(host)).into_iter().collect::<Result<Vec<_>, _>>()?;
        let servers = actors::servers(&places, &Serves::a(Role::Listen))?;
        Ok(Self { port: actors::port_of(&servers), servers, multi: lan.at("multi")? })
    }

    /// Waits until everything that `multi` has sent is over, for each who listens.
    fn until_it_is_over(&self, lan: &Lan) -> Result<(), Trouble> {
        let address = |(host, _)| lan.address(host, "e0").map(|address| SocketAddr::from((address, self.port)));
        let addresses = EARS.map(address).into_iter().collect::<Result<Vec<_>, _>>()?;
        actors::say_last(&self.multi, &addresses)?;
        actors::have_heard_last(&self.servers.iter().collect::<Vec<_>>(), 1)
    }

    /// Who has heard this, with the door that leads to them.
    fn hearers(&self, said: &[u8]) -> Vec<(&'static str, Option<&'static str>)> {
        EARS.into_iter().zip(&self.servers).filter(|(_, server)| server.knows(said)).map(|(ear, _)| ear).collect()
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
    let itself = lang.say("multi itself", "multi 自己");
    let mut drawing = Drawing::of([
        lang.say("multi, to 255.255.255.255", "multi，发往 255.255.255.255"),
        String::new(),
        "e0: alice".into(),
        "e1: dave".into(),
        itself,
    ]);
    let route = |has| {
        if observed.flag(has) {
            lang.say("default route by e1", "默认路由走 e1")
        } else {
            lang.say("no default route", "没有默认路由")
        }
    };
    drawing.cells([route("first_has_default"), String::new(), observed.text("no_route")]);
    let [own, device, nowhere] = ["own", "device", "nowhere_to"].map(|name| observed.text(name));
    let empty = if nowhere == Ipv4Addr::UNSPECIFIED.to_string() { "'' = " } else { "" };
    for (how, heard) in [
        (route("then_has_default"), "plain_heard"),
        (lang.say("bind ", "绑定 ") + &own, "bound_heard"),
        (format!("SO_BINDTODEVICE {device}"), "device_heard"),
        (lang.say("to ", "发往 ") + empty + &nowhere, "nowhere"),
        (observed.text("last_way"), "halloo_heard"),
    ] {
        let hears = text("hears it", "收到").raw(lang);
        let mark = |host| if observed.list(heard).contains(&Value::from(host)) { hears } else { "-" };
        let [alice, dave, multi] = EARS.map(|(host, _)| mark(host).to_owned());
        drawing.cells([how, String::new(), alice, dave, multi]);
    }
    drawing
}
