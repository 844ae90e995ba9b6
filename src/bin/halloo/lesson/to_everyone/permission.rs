//! SO_BROADCAST: who needs it, and what happens without.

use std::net::{Ipv4Addr, SocketAddr};

use halloo::model::Cast;
use halloo::model::event::Role;
use halloo::model::lesson::Observed;
use halloo::net::bare::Bare;

use crate::lesson::actors::{self, Sends, Server, Serves, Told};
use crate::lesson::card::{Chapter, Lesson, Needs};
use crate::lesson::claim::{Claim, Rule};
use crate::lesson::draw::Drawing;
use crate::lesson::question::{Ask, Question};
use crate::lesson::stage::{Doing, LOOPBACK, PATIENCE, Place, Stage, Trouble};
use crate::lesson::text::{Lang, Text, text};
use crate::lesson::wire::Wire;

pub(in crate::lesson) const LESSON: Lesson = Lesson {
    name: "permission",
    chapter: Chapter::ToEveryone,
    core: true,
    needs: Needs::Loopback,
    title: text("The first broadcast", "第一次广播"),
    question: Question {
        asks: text(
            "bob listens on an ordinary UDP socket. alice opens one as well, and calls sendto() with the broadcast \
             address of their network. Neither has set any option. What happens?",
            "bob 用一个普通的 UDP 套接字接收。alice 也打开一个，直接 sendto() 到他们网络的广播地址。两边都没有设置任何选项。\
             结果怎样？",
        ),
        ask: Ask::One(CHOICES, |observed| {
            Some(match (observed.text("off").as_str(), observed.flag("unasked")) {
                ("ok", true) => 0,
                ("ok", false) => 1,
                _ => 2,
            })
        }),
    },
    hint: text(
        "One wrong digit in an address, and everybody is disturbed. Who could guard against that?",
        "地址写错一个数字，就会打扰所有人。谁能防住这件事？",
    ),
    claim: text(
        "Broadcasting is a switch under a cover: without SO_BROADCAST the kernel says {off} and nothing leaves. Only the \
         sender needs it: bob has set nothing, and read \"{bob}\".",
        "广播像一个有盖子的开关：没有 SO_BROADCAST，内核就说 {off}，什么也不发。只有发送方需要它：\
         bob 什么也没设置，照样读到“{bob}”。",
    ),
    checks: &[
        Claim::linux(
            "off",
            Rule::Says("EACCES"),
            text("without the option sendto fails: {off}", "没有这个选项，sendto 失败：{off}"),
        ),
        Claim::wire("packets", Rule::SameAs("allowed"), text("and no packet leaves", "而且一个包也没发出")),
        Claim::linux("on", Rule::Says("ok"), text("with it the same call succeeds", "有了它，同样的调用成功")),
        Claim::linux("bob_has", Rule::No, text("the receiver needs no option", "接收方不需要任何选项")),
        Claim::linux(
            "halloo_off",
            Rule::Says("EACCES"),
            text("halloo is told the same: {halloo_off}", "halloo 得到的也一样：{halloo_off}"),
        ),
        Claim::linux(
            "as_broadcast",
            Rule::Yes,
            text("halloo listen knows that it was a broadcast", "halloo listen 知道那是广播"),
        ),
    ],
    elsewhere: text(
        "Windows: 10013; macOS: no broadcast on loopback (not tried by us)",
        "Windows 上是错误 10013；macOS 的回环接口没有广播（我们没有试过）",
    ),
    try_this: "halloo broadcast hi --dry-run",
    why: text(
        "A broadcast interrupts every machine of the network, so the kernel wants to hear that it is meant: \
         setsockopt(SO_BROADCAST). It looks at the route of each datagram, not at the form of the address, and refuses with \
         EACCES before anything leaves. The option is about sending alone. A socket hears broadcasts because it is bound to \
         the port, on the wildcard address or on the broadcast address itself (halloo learn everyone). This lesson uses \
         127.255.255.255, the broadcast address of loopback, which only this machine hears. halloo sets the option by \
         itself where the address is a broadcast address, and says so.",
        "一次广播会打扰网络里的每一台机器，所以内核要你明说：setsockopt(SO_BROADCAST)。内核看的是每个数据报的路由，不是地址的样子；\
         没有这个选项就返回 EACCES，什么也不会发出。这个选项只管发送。套接字能收到广播，是因为它绑定了那个端口，地址是 0.0.0.0 或者广播地址\
         本身（halloo learn everyone）。本课用的 127.255.255.255 是回环接口的广播地址，只有本机听得到。目标是广播地址时，halloo 会自己\
         打开这个选项，并且说出来。\n有的书上说 SO_BROADCAST 允许“发送和接收”广播，接收其实不需要它。",
    ),
    run,
    draw,
};

const CHOICES: &[Text] = &[
    text("bob reads it", "bob 读到了"),
    text("ok, bob gets nothing", "发送成功，bob 收不到"),
    text("the send fails", "发送失败"),
];

/// The broadcast address of loopback; the system chooses the port.
const TO_ALL_HERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(127, 255, 255, 255)), 0);

fn run(stage: &Stage) -> Result<Observed, Trouble> {
    if !cfg!(target_os = "linux") {
        return Err(Trouble::Skip("loopback has no broadcast address on this system".to_owned()));
    }
    let mut observed = Observed::default();
    by_hand(stage, &mut observed)?;
    by_halloo(stage, &mut observed)?;
    Ok(observed)
}

/// The calls of a first program, without the option and with it.
fn by_hand(stage: &Stage, observed: &mut Observed) -> Result<(), Trouble> {
    let mut wire = stage.wire()?;
    let bob = Bare::bind(TO_ALL_HERE).doing("open bob's port")?;
    let to_all = bob.local().doing("open bob's port")?;
    let alice = Bare::bind(LOOPBACK).doing("open a socket")?;
    // Broken: the option is set beforehand.
    alice.set_broadcast(stage.sabotaged()).doing("set SO_BROADCAST")?;
    observed.put("off", actors::said(&alice.send_to(b"without", to_all)));
    alice.set_broadcast(true).doing("set SO_BROADCAST")?;
    observed.put("on", actors::said(&alice.send_to(b"with", to_all)));
    // What was sent first is read first.
    let gulp = bob.receive(64, PATIENCE).doing("read what came")?;
    let read = gulp.map_or_else(String::new, |gulp| actors::as_text(&gulp.bytes));
    observed.put("unasked", read == "without");
    observed.put("bob", read);
    observed.put("bob_has", bob.may_broadcast().doing("ask for SO_BROADCAST")?);
    if let Some(wire) = &mut wire {
        observed.put("allowed", 1usize);
        observed.put("packets", packets_from(wire, alice.local().doing("open a socket")?.port()));
    }
    Ok(())
}

/// The packets that a port has sent; there is at least one.
fn packets_from(wire: &mut Wire, port: u16) -> usize {
    wire.until(|packets| packets.iter().any(|packet| packet.source.port() == port))
        .iter()
        .filter(|packet| packet.source.port() == port)
        .count()
}

/// The same with halloo's own sender and listener.
fn by_halloo(stage: &Stage, observed: &mut Observed) -> Result<(), Trouble> {
    let bob = Server::start(&Place::Here, TO_ALL_HERE, &Serves::a(Role::Listen))?;
    let send = |broadcasts| {
        let sends = Sends { broadcasts, ..Sends::from(LOOPBACK) };
        actors::send(&Place::Here, bob.address(), &[b"hi"], sends)
    };
    let off = send(stage.sabotaged())?;
    let fault = off.into_iter().find_map(|told| if let Told::Failed(name) = told { Some(name) } else { None });
    observed.put("halloo_off", fault.unwrap_or_else(|| "ok".to_owned()));
    send(true)?;
    bob.has_heard(1);
    observed.put("as_broadcast", bob.heard().iter().any(|heard| heard.cast == Some(Cast::Broadcast)));
    Ok(())
}

fn draw(observed: &Observed, lang: Lang) -> Drawing {
    let say = |en, zh| text(en, zh).raw(lang).to_owned();
    let mut drawing = Drawing::of(["alice".to_owned(), say("bob (no option set)", "bob（没有设置选项）")]);
    let off = |what: String, name: &str| format!("{what}: {}", observed.text(name));
    attempt(&mut drawing, off("sendto".to_owned(), "off"), observed.text("off") == "ok", String::new());
    drawing.cells(["setsockopt(SO_BROADCAST)"]);
    let reads = format!("{} \"{}\"", say("reads", "读到"), observed.text("bob"));
    attempt(&mut drawing, off("sendto".to_owned(), "on"), observed.text("on") == "ok", reads);
    let by_halloo = off(say("halloo, option off", "halloo，选项关"), "halloo_off");
    attempt(&mut drawing, by_halloo, observed.text("halloo_off") == "ok", String::new());
    let heard = if observed.flag("as_broadcast") {
        say("halloo listen: broadcast", "halloo listen：广播")
    } else {
        String::new()
    };
    drawing.arrow((0, 1), say("halloo, option on", "halloo，选项开"), "", heard);
    drawing
}

/// A call: an arrow if anything left, a word if nothing did.
fn attempt(drawing: &mut Drawing, call: String, left: bool, hears: String) {
    if left {
        drawing.arrow((0, 1), call, "", hears);
    } else {
        drawing.cells([call]);
    }
}
