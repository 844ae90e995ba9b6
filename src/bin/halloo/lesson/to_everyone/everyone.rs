//! Who hears a broadcast: whoever is on the subnet, listens on the port, and is not bound to an address of his own.

use std::net::{Ipv4Addr, SocketAddr};

use halloo::engine::broadcast::Form;
use halloo::model::event::Role;
use halloo::model::lesson::{Observed, Value};

use crate::lesson::actors::{self, Sends, Server, Serves, Told};
use crate::lesson::card::{Chapter, Lesson, Needs};
use crate::lesson::claim::{Claim, Rule};
use crate::lesson::draw::{Drawing, Fate};
use crate::lesson::lan::Lan;
use crate::lesson::question::{Ask, Question, letter};
use crate::lesson::stage::{Stage, Topology, Trouble};
use crate::lesson::text::{Lang, Text, text};

pub(in crate::lesson) const LESSON: Lesson = Lesson {
    name: "everyone",
    chapter: Chapter::ToEveryone,
    core: true,
    needs: Needs::Lan,
    title: text("Who hears a broadcast?", "谁听得见广播？"),
    question: Question {
        asks: text(
            "alice (10.9.0.1/24) broadcasts one datagram to 10.9.0.255, port P. These programs are listening. \
             Which of them hear it?",
            "alice（10.9.0.1/24）向 10.9.0.255 的端口 P 广播一个数据报。下面这些程序都在监听，哪些收得到？",
        ),
        ask: Ask::Any(EARS_IN_WORDS, hearers),
    },
    hint: text(
        "Three things must fit: the cable, the port, and the address that the listener is bound to.",
        "三样都要对得上：网线、端口、监听时绑定的地址。",
    ),
    claim: text(
        "Datagrams that halloo sent: {sent}; copies that programs heard: {copies_made}. The switch and the kernels made \
         them. To hear broadcasts, listen on 0.0.0.0.",
        "halloo 发出的数据报：{sent} 个；各个程序收到的副本：{copies_made} 份，都是交换机和内核复制的。要听广播，就绑定 0.0.0.0。",
    ),
    checks: &[
        Claim::linux(
            "wildcards",
            Rule::Yes,
            text(
                "on 0.0.0.0 the whole subnet hears, the sender too",
                "绑定 0.0.0.0 的，整个子网都听得见，包括发送方自己",
            ),
        ),
        Claim {
            // dotnet/runtime#83525.
            windows: Rule::Yes,
            ..Claim::linux(
                "own_address",
                Rule::No,
                text("a socket on carol's own address is deaf to it", "绑定 carol 自己地址的套接字听不见"),
            )
        },
        Claim::linux(
            "broadcast_address",
            Rule::Yes,
            text("a socket on the broadcast address hears it", "绑定广播地址的套接字听得见"),
        ),
        Claim::linux(
            "both_twins",
            Rule::Yes,
            text("two programs that share a port get a copy each", "共用一个端口的两个程序，各得一份副本"),
        ),
        Claim::linux(
            "elsewhere",
            Rule::No,
            text("another port or another subnet hears nothing", "别的端口、别的子网，什么也听不见"),
        ),
    ],
    elsewhere: text(
        "on Windows a socket on its own address hears it (not tried by us)",
        "Windows 上绑定自己地址的套接字也听得见（我们没有试过）",
    ),
    try_this: "halloo listen 127.0.0.1 --timeout 2s & halloo send 127.255.255.255 hi --count 2",
    why: text(
        "To the kernel a bound address is a filter on the destination. The destination of this datagram is 10.9.0.255, \
         and that is not carol's own address, so the socket that is bound to hers does not match. A receiver needs no \
         option to hear broadcasts; only a sender does (halloo learn permission). Do not bind to the broadcast address \
         either, unless you know why: such a socket misses what is sent to 255.255.255.255, and every unicast.",
        "对内核来说，绑定的地址就是对目的地址的过滤。这个数据报的目的地址是 10.9.0.255，不是 carol 自己的地址，所以绑定了自己地址的\
         套接字对不上。接收方听广播不需要任何选项，只有发送方需要（halloo learn permission）。也不要随便绑定广播地址：这样的套接字\
         收不到发往 255.255.255.255 的数据报，也收不到单播。常听说“广播由网卡负责，不用复制”，其实每一份都是复制出来的：\
         交换机向每个网口复制一份，内核再为每个套接字复制一份。",
    ),
    run,
    draw,
};

/// Everybody on the subnet of `alice`.
const BROADCAST: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 255);

/// What is broadcast.
const SAID: &str = "hello";

/// The listeners in words, in the order of [`EARS`].
const EARS_IN_WORDS: &[Text] = &[
    text("alice herself, the sender: on 0.0.0.0, port P", "发送方 alice 自己：绑定 0.0.0.0，端口 P"),
    text("bob (10.9.0.2): on 0.0.0.0, port P", "bob（10.9.0.2）：绑定 0.0.0.0，端口 P"),
    text("bob: on 0.0.0.0, another port", "bob：绑定 0.0.0.0，另一个端口"),
    text("carol (10.9.0.3): on 10.9.0.3, port P", "carol（10.9.0.3）：绑定 10.9.0.3，端口 P"),
    text("carol: on 10.9.0.255, port P", "carol：绑定 10.9.0.255，端口 P"),
    text(
        "multi (10.9.0.9): one of two that share 0.0.0.0, port P (SO_REUSEPORT)",
        "multi（10.9.0.9）：两个程序用 SO_REUSEPORT 共用 0.0.0.0 端口 P，第一个",
    ),
    text("multi: the other of these two", "multi：这两个程序的第二个"),
    text(
        "dave, on the next subnet (10.8.0.4): on 0.0.0.0, port P",
        "隔壁子网的 dave（10.8.0.4）：绑定 0.0.0.0，端口 P",
    ),
];

/// Which address a listener is bound to.
#[derive(Clone, Copy, Debug)]
enum On {
    Any,
    Own,
    Broadcast,
}

/// A listener.
#[derive(Clone, Copy, Debug)]
struct Ear {
    host: &'static str,
    on: On,
    /// Whether it listens on the port that is spoken to.
    right_port: bool,
    /// Whether it shares its port.
    shares: bool,
}

impl Ear {
    const fn of(host: &'static str, on: On) -> Self {
        Self { host, on, right_port: true, shares: false }
    }
}

/// Everybody who listens.
const EARS: [Ear; 8] = [
    Ear::of("alice", On::Any),
    Ear::of("bob", On::Any),
    Ear { right_port: false, ..Ear::of("bob", On::Any) },
    Ear::of("carol", On::Own),
    Ear::of("carol", On::Broadcast),
    Ear { shares: true, ..Ear::of("multi", On::Any) },
    Ear { shares: true, ..Ear::of("multi", On::Any) },
    Ear::of("dave", On::Any),
];

/// Broken: each of those that differ from the first ones listens as it should not, on every address or the wrong port.
const BROKEN: [Ear; 8] = [
    Ear::of("alice", On::Any),
    Ear::of("bob", On::Any),
    Ear::of("bob", On::Any),
    Ear::of("carol", On::Any),
    Ear::of("carol", On::Own),
    Ear::of("multi", On::Any),
    Ear { right_port: false, ..Ear::of("multi", On::Any) },
    Ear::of("dave", On::Any),
];

fn run(stage: &Stage) -> Result<Observed, Trouble> {
    let lan = stage.lan(Topology::TwoSubnets)?;
    let ears = if stage.sabotaged() { &BROKEN } else { &EARS };
    let mut servers: Vec<Server> = Vec::new();
    for ear in ears {
        // The first takes a free port, and the others follow.
        servers.push(listen(&lan, ear, actors::port_of(&servers), stage.sabotaged())?);
    }
    let port = actors::port_of(&servers);
    let told = actors::broadcast(&lan.at("alice")?, port, Form::Directed, &[SAID.as_bytes()], Sends::anyhow())?;
    until_it_is_over(&lan, ears, &servers)?;
    let mut observed = Observed::default();
    observed.put("said", SAID);
    put_sent(&mut observed, &told);
    put_heard(&mut observed, &servers);
    let host = |ear: &Ear| lan.address(ear.host, "e0").map(|address| format!("{} {address}", ear.host));
    observed.put("hosts", EARS.iter().map(host).collect::<Result<Vec<_>, _>>()?);
    Ok(observed)
}

/// One of halloo's listeners.
fn listen(lan: &Lan, ear: &Ear, port: u16, sabotaged: bool) -> Result<Server, Trouble> {
    let address = match ear.on {
        On::Own => lan.address(ear.host, "e0")?,
        On::Any => Ipv4Addr::UNSPECIFIED,
        On::Broadcast => BROADCAST,
    };
    let port = if ear.right_port { port } else { port ^ 1 };
    // Broken, two of a host may have the same port.
    let serves = Serves { share: ear.shares || sabotaged, ..Serves::a(Role::Listen) };
    Server::start(&lan.at(ear.host)?, SocketAddr::from((address, port)), &serves)
}

/// Waits until what alice said is over, for each who listens: those to whom a broadcast can get hear one more; each of the
/// others is spoken to, `dave` by `multi`, to whom both subnets belong.
fn until_it_is_over(lan: &Lan, ears: &[Ear], servers: &[Server]) -> Result<(), Trouble> {
    let is_deaf = |ear: &Ear| matches!(ear.on, On::Own) || !ear.right_port;
    let (mut from_alice, mut from_multi) = (vec![SocketAddr::from((BROADCAST, actors::port_of(servers)))], Vec::new());
    for (ear, server) in ears.iter().zip(servers) {
        let own = SocketAddr::from((lan.address(ear.host, "e0")?, server.address().port()));
        match ear.host {
            "dave" => from_multi.push(own),
            _ if is_deaf(ear) => from_alice.push(own),
            _ => {}
        }
    }
    let (beyond, near): (Vec<_>, Vec<_>) = ears.iter().zip(servers).partition(|(ear, _)| ear.host == "dave");
    for (place, to, hear) in [("alice", from_alice, near), ("multi", from_multi, beyond)] {
        actors::say_last(&lan.at(place)?, &to)?;
        actors::have_heard_last(&hear.into_iter().map(|(_, server)| server).collect::<Vec<_>>(), 1)?;
    }
    Ok(())
}

/// What the sender tells: how often it sent, and to where.
fn put_sent(observed: &mut Observed, told: &[Told]) {
    let sent = told.iter().filter_map(|told| match told {
        Told::Sent { destination, .. } => Some(destination.to_string()),
        _ => None,
    });
    let sent: Vec<String> = sent.collect();
    observed.put("sent", sent.len());
    observed.put("to", sent);
}

/// What each listener tells: who it is, and how many copies it heard.
fn put_heard(observed: &mut Observed, servers: &[Server]) {
    let copies_at = |server: &Server| server.heard().iter().filter(|heard| heard.payload == SAID.as_bytes()).count();
    let copies: Vec<usize> = servers.iter().map(copies_at).collect();
    let all =
        |wanted: &dyn Fn(&Ear) -> bool| EARS.iter().zip(&copies).filter(|(ear, _)| wanted(ear)).all(|(_, n)| *n == 1);
    let any = |wanted: &dyn Fn(&Ear) -> bool| EARS.iter().zip(&copies).any(|(ear, n)| wanted(ear) && *n > 0);
    let beyond = |ear: &Ear| !ear.right_port || ear.host == "dave";
    observed.put("wildcards", all(&|ear| matches!(ear.on, On::Any) && !beyond(ear)));
    observed.put("own_address", any(&|ear| matches!(ear.on, On::Own)));
    observed.put("broadcast_address", all(&|ear| matches!(ear.on, On::Broadcast)));
    observed.put("both_twins", all(&|ear| ear.shares));
    observed.put("elsewhere", any(&beyond));
    observed.put("bound", servers.iter().map(|server| server.address().to_string()).collect::<Vec<_>>());
    observed.put("copies_made", copies.iter().sum::<usize>());
    observed.put("copies", copies);
}

/// The places of those who heard something.
fn hearers(observed: &Observed) -> Vec<usize> {
    let copies = observed.list("copies").iter().enumerate();
    copies.filter(|(_, copies)| **copies != Value::Number(0)).map(|(at, _)| at).collect()
}

fn draw(observed: &Observed, lang: Lang) -> Drawing {
    let [listens, hears] = [text("is bound to", "绑定"), text("copies heard", "收到几份")].map(|head| head.raw(lang));
    let mut drawing = Drawing::of([&format!("alice -> {}", observed.text("to")), "", listens, hears]);
    let rows = observed.list("hosts").iter().zip(observed.list("bound")).zip(observed.list("copies"));
    for (place, ((host, bound), copies)) in rows.enumerate() {
        let fate = if *copies == Value::Number(0) { Fate::Lost } else { Fate::Arrives };
        drawing.go((0, 1), "", observed.text("said"), format!("{}) {host}", letter(place)), fate);
        drawing.beside(2, bound.to_string()).beside(3, copies.to_string());
    }
    drawing
}
