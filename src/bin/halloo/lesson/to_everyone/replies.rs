//! One question to everybody brings many answers, to a socket that hears everybody.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use halloo::engine::broadcast::Form;
use halloo::model::event::Role;
use halloo::model::lesson::{Observed, Value};
use halloo::net::bare::Bare;

use crate::lesson::actors::{self, Sends, Server, Serves, Told};
use crate::lesson::card::{Chapter, Lesson, Needs};
use crate::lesson::claim::{Claim, Rule};
use crate::lesson::draw::{Drawing, Fate};
use crate::lesson::lan::Lan;
use crate::lesson::question::{Ask, Question};
use crate::lesson::stage::{Doing, PATIENCE, SILENCE, Stage, Topology, Trouble};
use crate::lesson::text::{Lang, Text, text};
use crate::lesson::wire::{Carries, Packet};

pub(in crate::lesson) const LESSON: Lesson = Lesson {
    name: "replies",
    chapter: Chapter::ToEveryone,
    core: false,
    needs: Needs::Lan,
    title: text("One question, many answers", "一个问题，许多回答"),
    question: Question {
        asks: text(
            "On each of five other hosts a server listens. alice connects her socket to the broadcast address of the LAN and \
             asks \"who?\". Every server hears her and answers. How many answers can she read?",
            "另外五台主机上各有一个服务器在监听。alice 把套接字 connect 到局域网的广播地址，问一声“who?”。每个服务器都听见了，\
             也都回答了。她能读到几个回答？",
        ),
        ask: Ask::Number("connected"),
    },
    hint: text(
        "A connected socket reads what comes from its peer. From which address do the answers come?",
        "connect 过的套接字只读对端发来的数据报。回答是从什么地址发来的？",
    ),
    claim: text(
        "Answers come from the hosts, never from the broadcast address: ask by a socket that is not connected, and \
         collect until it is quiet. Silence may also mean a closed port.",
        "回答来自各台主机，绝不会来自广播地址：提问的套接字不要 connect，一直收，直到没有动静。没有回答，也可能是端口关着。",
    ),
    checks: &[
        Claim::linux(
            "answers",
            Rule::SameAs("servers"),
            text("halloo's one question brought {answers} answers", "halloo 问一次，得到 {answers} 个回答"),
        ),
        Claim::linux(
            "connected",
            Rule::Is(0),
            text(
                "connected, alice read {connected}; answers sent to her: {connected_answers}",
                "connect 之后，发给 alice 的回答 {connected_answers} 个，她读到 {connected} 个",
            ),
        ),
        Claim::linux(
            "unicast_refused",
            Rule::Yes,
            text("a closed port refuses what was sent to one host", "发给一台主机时，关着的端口会拒绝"),
        ),
        Claim::wire(
            "icmp",
            Rule::Are(&[0, 1]),
            text(
                "and is silent to what was sent to all: ICMP for all, for bob: {icmp}",
                "发给所有人时一声不响：ICMP 报文数，先问所有人，再只问 bob：{icmp}",
            ),
        ),
    ],
    elsewhere: text(
        "RFC 1122 asks this of every system; we have tried Linux only",
        "RFC 1122 对所有系统都这样要求；我们只在 Linux 上试过",
    ),
    try_this: "halloo echo 127.255.255.255 --answer-broadcast --count 1 & \
               halloo send 127.255.255.255 'who?' --count 2 --expect 1",
    why: text(
        "If no answer comes though somebody is there, look at these, in this order. A firewall on the asker: it lets in \
         answers from the address that was asked, and nobody was asked by his own. The Wi-Fi: guest networks keep \
         stations apart (client isolation), and some access points drop broadcasts. A phone: to save power it sleeps \
         through broadcasts, and an app on Android may need a MulticastLock. A closed port: hosts must not send ICMP errors about \
         a broadcast (RFC 1122 3.2.2), or one datagram would bring a storm.",
        "明明有人在，却没有回答，请按顺序检查。提问方的防火墙：它只放行被问到的地址的回答，而广播并没有点名问谁。Wi-Fi：访客网络\
         把各个终端隔开（AP 隔离），有的接入点干脆丢弃广播。手机：为了省电，睡着时听不见广播，Android 应用可能还要申请 MulticastLock。\
         端口关着：主机不许为广播发送 ICMP 差错报文（RFC 1122 3.2.2），否则一个数据报就会引来一场风暴。",
    ),
    run,
    draw,
};

/// Those who answer.
const HOSTS: [&str; 5] = ["bob", "carol", "dave", "erin", "frank"];

/// What is asked.
const QUESTION: &str = "who?";

fn run(stage: &Stage) -> Result<Observed, Trouble> {
    let lan = stage.lan(Topology::Six)?;
    let mut observed = Observed::default();
    observed.put("question", QUESTION);
    ask_everybody(&mut observed, &lan, stage.sabotaged())?;
    ask_where_nobody_is(&mut observed, &lan, stage.sabotaged())?;
    Ok(observed)
}

/// Asks all servers: with halloo, and with a socket that is connected to the broadcast address.
fn ask_everybody(observed: &mut Observed, lan: &Lan, sabotaged: bool) -> Result<(), Trouble> {
    let mut servers = servers(lan)?;
    let port = actors::port_of(&servers);
    let alice = lan.at("alice")?;
    observed.put("servers", servers.len());
    let mut expected = HOSTS.len() as u64;
    if sabotaged {
        // Broken: the last of them has gone home.
        servers.pop();
        expected -= 1;
    }
    let sends = Sends::anyhow().expecting(expected);
    let told = actors::broadcast(&alice, port, Form::Directed, &[QUESTION.as_bytes()], sends)?;
    let sources: Vec<IpAddr> = actors::replies_in(&told).iter().map(|reply| reply.source.ip()).collect();
    let everybody = actors::sent_to(&told).doing("broadcast")?;
    observed.put("to", everybody.ip().to_string());
    observed.put("asked", asked(&servers, 1));
    observed.put("answers", sources.len());
    observed.put("answerers", names(lan, &sources)?);

    let socket = alice.within(|| Bare::unbound(true))?.doing("open a socket")?;
    socket.set_broadcast(true).doing("set SO_BROADCAST")?;
    observed.put("connects", !sabotaged);
    // Broken: she does not connect.
    if !sabotaged {
        socket.connect(everybody).doing("connect to the broadcast address")?;
        socket.send(QUESTION.as_bytes()).doing("send to the peer")?;
    } else {
        socket.send_to(QUESTION.as_bytes(), everybody).doing("send to everybody")?;
    }
    observed.put("connected_asked", asked(&servers, 2));
    observed.put("connected", answers_at(&socket)?);
    let answered: u64 =
        servers.into_iter().map(|server| server.finish().map(|stats| stats.sent)).sum::<Result<_, _>>()?;
    observed.put("connected_answers", answered.saturating_sub(sources.len() as u64));
    Ok(())
}

/// A server on every host, on the same port.
fn servers(lan: &Lan) -> Result<Vec<Server>, Trouble> {
    let serves = Serves { answers_broadcast: true, ..Serves::a(Role::Echo) };
    let places = HOSTS.map(|host| lan.at(host)).into_iter().collect::<Result<Vec<_>, _>>()?;
    actors::servers(&places, &serves)
}

/// How many servers have heard so many questions. They answer before they tell.
fn asked(servers: &[Server], questions: usize) -> usize {
    servers.iter().filter(|server| server.has_heard(questions)).count()
}

/// How many answers a socket can read, until it is quiet.
fn answers_at(socket: &Bare) -> Result<usize, Trouble> {
    let mut answers = 0;
    while socket.receive(QUESTION.len(), SILENCE).doing("read an answer")?.is_some() {
        answers += 1;
    }
    Ok(answers)
}

/// Whether the network refused anything.
fn is_refused(told: &[Told]) -> bool {
    told.iter().any(|told| matches!(told, Told::Refused(_)))
}

/// The hosts that have these addresses.
fn names(lan: &Lan, addresses: &[IpAddr]) -> Result<Vec<&'static str>, Trouble> {
    let known = HOSTS.map(|host| lan.address(host, "e0").map(|address| (IpAddr::V4(address), host)));
    let known: Vec<_> = known.into_iter().collect::<Result<_, _>>()?;
    let name = |address| known.iter().find(|(known, _)| known == address).map_or("?", |(_, host)| *host);
    Ok(addresses.iter().map(name).collect())
}

/// Asks at a port that is closed: everybody, then `bob` alone.
fn ask_where_nobody_is(observed: &mut Observed, lan: &Lan, sabotaged: bool) -> Result<(), Trouble> {
    let (alice, question) = (lan.at("alice")?, [QUESTION.as_bytes()]);
    let mut wire = lan.wire("alice", "e0")?;
    let port = if sabotaged { 10_009 } else { actors::DISCARD };
    let bob = SocketAddr::from((lan.address("bob", "e0")?, port));
    // Broken: somebody listens at bob's, on a port where one may.
    let _open = if sabotaged { Some(lan.at("bob")?.within(|| Bare::bind(bob))?.doing("open the port")?) } else { None };
    let waits = |wait: Duration| Sends { wait: Some(wait), ..Sends::anyhow() };
    actors::broadcast(&alice, port, Form::Directed, &question, waits(SILENCE))?;
    let seen = wire.so_far();
    let (shows_the_question, after_all) = (seen.iter().any(|packet| is_question(packet, port)), refusals(seen));
    // What will not come need not be waited for.
    let told = actors::send(&alice, bob, &question, waits(if sabotaged { SILENCE } else { PATIENCE }))?;
    observed.put("unicast_refused", is_refused(&told));
    if shows_the_question {
        let after_bob = refusals(wire.until(|seen| sabotaged || refusals(seen) > after_all)) - after_all;
        observed.put("icmp", vec![after_all, after_bob]);
    }
    observed.put("closed", u64::from(port));
    observed.put("bob_open", sabotaged);
    Ok(())
}

fn is_question(packet: &Packet, port: u16) -> bool {
    packet.carries == Carries::Udp && packet.is_at(port)
}

/// How many packets are ICMP messages. Those of IPv6 are about other things, neighbours and groups.
fn refusals(seen: &[Packet]) -> usize {
    let refuses = |packet: &&Packet| packet.source.is_ipv4() && matches!(packet.carries, Carries::Icmp(..));
    seen.iter().filter(refuses).count()
}

fn draw(observed: &Observed, lang: Lang) -> Drawing {
    let say = |text: Text| text.fill(observed, lang);
    let question = observed.text("question");
    let mut drawing = Drawing::of(["alice".to_owned(), say(text("everybody on the LAN", "局域网上的所有人"))]);
    drawing.arrow((0, 1), say(text("asks {to}", "问 {to}")), &question, say(text("{asked} hear it", "{asked} 个听见")));
    let answers = say(text("answers", "回答"));
    drawing.arrow(
        (1, 0),
        observed.list("answerers").iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        &answers,
        say(text("reads {answers}", "读到 {answers} 个")),
    );
    let connects = text("connects, asks", "先 connect，再问");
    drawing.arrow(
        (0, 1),
        say(if observed.flag("connects") { connects } else { text("asks by another", "换一个套接字再问") }),
        &question,
        say(text("{connected_asked} hear it", "{connected_asked} 个听见")),
    );
    let fate = if observed.number("connected") == Some(0) { Fate::Lost } else { Fate::Arrives };
    drawing.go(
        (1, 0),
        say(text("{connected_answers} answer", "{connected_answers} 个回答")),
        &answers,
        say(text("reads {connected}", "读到 {connected} 个")),
        fate,
    );
    let closed = if observed.flag("bob_open") {
        text("bob listens", "bob 在听")
    } else {
        text("port {closed} is closed", "端口 {closed} 关着")
    };
    let closed = say(closed);
    drawing.arrow((0, 1), say(text("asks port {closed}", "问端口 {closed}")), &question, &closed);
    if let Some(icmp) = observed.list("icmp").first() {
        answer_of_nobody(&mut drawing, *icmp != Value::Number(0), lang);
    }
    drawing.arrow((0, 1), say(text("asks bob alone", "只问 bob")), &question, &closed);
    answer_of_nobody(&mut drawing, observed.flag("unicast_refused"), lang);
    drawing
}

/// What comes back from a closed port.
fn answer_of_nobody(drawing: &mut Drawing, refused: bool, lang: Lang) {
    let say = |text: Text| text.raw(lang);
    if refused {
        drawing.arrow((1, 0), say(text("port unreachable", "端口不可达")), "ICMP", say(text("is refused", "被拒绝")));
    } else {
        drawing.cells([say(text("hears nothing", "什么也没听到")), say(text("silence", "一片安静"))]);
    }
}
