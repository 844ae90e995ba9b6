//! SO_BROADCAST: who needs it, and what happens without.

use std::net::{Ipv4Addr, SocketAddr};

use halloo::model::Cast;
use halloo::model::event::Role;
use halloo::model::lesson::Observed;
use halloo::net::bare::Bare;

use crate::lesson::actors::{self, Sends, Server, Serves, Told};
use crate::lesson::card::{Chapter, Lesson, Needs};
use crate::lesson::cause::Cause;
use crate::lesson::claim::{Claim, Rule};
use crate::lesson::draw::Drawing;
use crate::lesson::question::{Ask, Question};
use crate::lesson::stage::{Doing, LOOPBACK, PATIENCE, Place, Stage, Trouble};
use crate::lesson::text::{Lang, Text, text};
use crate::lesson::wire::Packet;

pub(in crate::lesson) const LESSON: Lesson = Lesson {
    name: "permission",
    chapter: Chapter::ToEveryone,
    core: true,
    needs: Needs::Loopback,
    title: text("The first broadcast", "第一次广播"),
    question: Question {
        asks: text(
            "bob listens on an ordinary UDP socket. alice opens one as well, and calls sendto() with the broadcast \
             address of loopback, 127.255.255.255. Neither has set any option. What happens?",
            "bob 用一个普通的 UDP 套接字接收。alice 也打开一个，直接 sendto() 到回环接口的广播地址 127.255.255.255。两边都没有设置任何选项。\
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
        Claim::wire("leaked", Rule::Is(0), text("and no packet leaves", "而且一个包也没发出")),
        Claim::linux("on", Rule::Says("ok"), text("with it the same call succeeds", "有了它，同样的调用成功")),
        Claim::linux(
            "heard_unset",
            Rule::Yes,
            text("bob reads it without any option: \"{bob}\"", "bob 不设任何选项也读到：“{bob}”"),
        ),
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
    try_this: "halloo listen --timeout 2s & halloo send 127.255.255.255 hi --count 2",
    why: text(
        "A broadcast interrupts every machine of the network, so the kernel wants to hear that it is meant: \
         setsockopt(SO_BROADCAST). It looks at the route of each datagram, not at the form of the address, and \
         refuses with EACCES before anything leaves. The option is about sending alone. Which sockets hear a \
         broadcast is another question (halloo learn everyone). What is sent to 127.255.255.255, the broadcast \
         address of loopback, only this machine hears. halloo sets the option by itself where the address is a \
         broadcast address, and says so.",
        "一次广播会打扰网络里的每一台机器，所以内核要你明说：setsockopt(SO_BROADCAST)。内核看的是每个数据报的路由，不是地址的样子；\
         没有这个选项就返回 EACCES，什么也不会发出。这个选项只管发送。哪些套接字收得到广播，是另一回事\
         （halloo learn everyone）。127.255.255.255 是回环接口的广播地址，发往那里的只有本机听得到。目标是广播地址时，halloo 会自己\
         打开这个选项，并且说出来。",
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
        let why = text("loopback has no broadcast address on this system", "这个系统的回环接口没有广播地址");
        return Err(Trouble::Skip(Cause::of(why)));
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
    let alice = actors::open()?;
    // Broken: bob has set the option, and alice has it on when it should be off and off when it should be on.
    let broken = stage.sabotaged();
    bob.set_broadcast(broken).doing("set SO_BROADCAST")?;
    alice.set_broadcast(broken).doing("set SO_BROADCAST")?;
    observed.put("off", actors::said(&alice.send_to(WITHOUT, to_all)));
    alice.set_broadcast(!broken).doing("set SO_BROADCAST")?;
    observed.put("set_to", u64::from(!broken));
    observed.put("on", actors::said(&alice.send_to(WITH, to_all)));
    // What was sent first is read first.
    let read = actors::read_as(bob.receive(64, PATIENCE));
    let bob_has = bob.may_broadcast().doing("ask for SO_BROADCAST")?;
    observed.put("unasked", read.as_bytes() == WITHOUT);
    observed.put("heard_unset", !bob_has && read.as_bytes() == WITH);
    observed.put("bob", read);
    observed.put("bob_has", bob_has);
    if let Some(wire) = &mut wire {
        let port = alice.local().doing("open a socket")?.port();
        let is_hers = |packet: &&Packet| packet.source.port() == port;
        // What was sent first is seen first.
        let seen = wire.until(|packets| packets.iter().any(|packet| is_hers(&packet)));
        let seen: Vec<&Packet> = seen.iter().filter(is_hers).collect();
        // Nothing seen at all is not that nothing leaked.
        if !seen.is_empty() {
            observed.put("leaked", seen.iter().filter(|packet| packet.payload_len == WITHOUT.len()).count());
        }
    }
    Ok(())
}

/// What is sent without the option, and with it: of different lengths, to tell them apart on the wire.
const WITHOUT: &[u8] = b"without";
const WITH: &[u8] = b"with";

/// The same with halloo's own sender and listener.
fn by_halloo(stage: &Stage, observed: &mut Observed) -> Result<(), Trouble> {
    // Broken: it is no broadcast.
    let address = if stage.sabotaged() { LOOPBACK } else { TO_ALL_HERE };
    let bob = Server::start(&Place::Here, address, &Serves::a(Role::Listen))?;
    let send = |broadcasts| {
        let sends = Sends { broadcasts, ..Sends::from(LOOPBACK) };
        actors::send(&Place::Here, bob.address(), &[b"hi"], sends)
    };
    let off = send(false)?;
    let fault = off.into_iter().find_map(|told| if let Told::Failed(name) = told { Some(name) } else { None });
    observed.put("halloo_off", fault.unwrap_or_else(|| "ok".to_owned()));
    send(true)?;
    bob.has_heard(1);
    observed.put("as_broadcast", bob.heard().iter().any(|heard| heard.cast == Some(Cast::Broadcast)));
    Ok(())
}

fn draw(observed: &Observed, lang: Lang) -> Drawing {
    let bob = if observed.flag("bob_has") {
        lang.say("bob (SO_BROADCAST set)", "bob（设置了 SO_BROADCAST）")
    } else {
        lang.say("bob (no option set)", "bob（没有设置选项）")
    };
    let mut drawing = Drawing::of(["alice".to_owned(), bob]);
    let off = |what: String, name: &str| format!("{what}: {}", observed.text(name));
    let reads = format!("{} \"{}\"", lang.say("reads", "读到"), observed.text("bob"));
    // He reads the first that leaves.
    let first_leaves = observed.text("off") == "ok";
    let [first, second] = if first_leaves { [reads, String::new()] } else { [String::new(), reads] };
    attempt(&mut drawing, off("sendto".to_owned(), "off"), first_leaves, first);
    drawing.cells([format!("setsockopt(SO_BROADCAST, {})", observed.text("set_to"))]);
    attempt(&mut drawing, off("sendto".to_owned(), "on"), observed.text("on") == "ok", second);
    let by_halloo = off(lang.say("halloo, option off", "halloo，选项关"), "halloo_off");
    attempt(&mut drawing, by_halloo, observed.text("halloo_off") == "ok", String::new());
    let heard = if observed.flag("as_broadcast") {
        lang.say("halloo listen: broadcast", "halloo listen：广播")
    } else {
        String::new()
    };
    drawing.arrow((0, 1), lang.say("halloo, option on", "halloo，选项开"), "", heard);
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
