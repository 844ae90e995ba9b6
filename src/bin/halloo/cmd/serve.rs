//! `halloo echo` and `halloo length`, and the socket they share with `listen`.

use std::iter;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU64;
use std::time::Duration;

use halloo::engine::broadcast::ALL_NODES;
use halloo::engine::guard::{Guard, Rules};
use halloo::engine::serve::{Answer, Base, Ends, Filter, Plan, Server};
use halloo::model::error::{Action, FaultKind};
use halloo::model::event::{Listening, Notice, Role};
use halloo::model::interface::Table;
use halloo::model::target::DEFAULT_PORT;
use halloo::model::{Error, Family, Fault, Interface, Link, Selector, Sink, Target, Verdict};
use halloo::net::endpoint::Endpoint;
use halloo::net::options::RECEIVE_BUFFER;
use halloo::net::{Fanout, Network, Options, SPREADS_SENDERS, batch, interfaces};

use crate::args::{self, RateLimit};
use crate::cmd::run::{Output, run_together};
use crate::report::{Queue, Style};

/// Answers with the same bytes.
pub(super) fn echo(args: &args::Echo, output: &Output) -> Result<Verdict, Error> {
    answering(&args.serve, Role::Echo, Base::Same, output)
}

/// Answers with the length.
pub(super) fn length(args: &args::Length, output: &Output) -> Result<Verdict, Error> {
    answering(&args.serve, Role::Length, Base::Length, output)
}

fn answering(args: &args::Serve, role: Role, base: Base, output: &Output) -> Result<Verdict, Error> {
    let prefix = args.prefix.as_ref().map_or_else(Vec::new, |bytes| bytes.0.clone());
    let answer = Answer { base, upper: args.upper, prefix };
    let host = if args.lan { Ipv4Addr::UNSPECIFIED } else { Ipv4Addr::LOCALHOST };
    let wish = Wish {
        role,
        address: args.address.as_ref(),
        default: SocketAddr::from((host, DEFAULT_PORT)),
        share: args.share,
        receive_buffer: args.receive_buffer,
        offload: args.offload,
        busy_poll: args.busy_poll,
        threads: args.threads,
        interfaces: &args.interface,
        groups: &[],
    };
    let Open { network, others, listening, mut notices } = open(&wish)?;
    if !listening.local.ip().is_loopback() {
        notices.push(Notice::LanCanReach(listening.local));
    }
    if args.answer_broadcast {
        notices.extend(hears_no_broadcast(network.table(), listening.local.ip()));
    }
    let rate = match args.rate_limit {
        RateLimit::PerSecond(rate) => Some(rate.get()),
        RateLimit::Off => None,
    };
    let rules = Rules::of_server(args.answer_any_port, args.answer_broadcast, rate);
    let filter = Filter { interfaces: interfaces::names(network.table(), &args.interface)?, ..Filter::default() };
    let plan = Plan {
        answer: Some((answer, Guard::new(rules, listening.local.port()))),
        listening,
        notices,
        filter,
        ends: ends(args.count, args.timeout, args.idle),
        fail_on_loss: args.fail_on_loss,
        offload: args.offload,
    };
    let mut queue = Queue::new();
    let sink = output.queued(Style::Receive, &mut queue);
    let networks = iter::once(network).chain(others).collect();
    serve(plan, networks, batch::SLOT, (queue, sink))
}

/// Runs a server to its end. It never waits for whoever reads what is written to the queue.
pub(super) fn serve(
    plan: Plan,
    mut networks: Vec<Fanout>,
    slot: usize,
    output: (Queue, Box<dyn Sink + Send>),
) -> Result<Verdict, Error> {
    if plan.fail_on_loss && networks.iter_mut().any(|network| network.drops().is_none()) {
        return Err(Error::Unsupported { what: "to count what the kernel drops" });
    }
    let mut server = Server::new(plan);
    let unwritten = run_together(&mut server, networks, slot, output)?;
    Ok(unwritten.unwrap_or(server.stats().verdict))
}

/// What ends the run.
pub(super) fn ends(count: Option<NonZeroU64>, deadline: Option<Duration>, idle: Option<Duration>) -> Ends {
    Ends { count: count.map(NonZeroU64::get), deadline, idle }
}

/// What a receiving socket should be like.
pub(super) struct Wish<'a> {
    pub(super) role: Role,
    pub(super) address: Option<&'a Target>,
    pub(super) default: SocketAddr,
    pub(super) share: bool,
    pub(super) receive_buffer: Option<usize>,
    pub(super) offload: bool,
    pub(super) busy_poll: Option<Duration>,
    /// A socket and a thread each. `listen` has one: what it does is write, by one thread in any case, and several would write
    /// what came in another order than it came.
    pub(super) threads: usize,
    pub(super) interfaces: &'a [Selector],
    pub(super) groups: &'a [IpAddr],
}

/// A receiving socket, and what to say about it.
pub(super) struct Open {
    pub(super) network: Fanout,
    /// Those with the same port, which leave broadcasts to the first.
    pub(super) others: Vec<Fanout>,
    pub(super) listening: Listening,
    pub(super) notices: Vec<Notice>,
}

/// Opens a receiving socket.
///
/// # Errors
/// A name without an address, an unknown interface, a port that is taken, a group that no interface could join; several threads where
/// the system does not spread who sends over them.
pub(super) fn open(wish: &Wish<'_>) -> Result<Open, Error> {
    if wish.threads > 1 && !SPREADS_SENDERS {
        return Err(Error::Unsupported { what: "spreading senders over several threads" });
    }
    let (table, watch) = interfaces::watched()?;
    let address = match wish.address {
        Some(target) => interfaces::resolve(target, wish.default, None, &table)?,
        None => wish.default,
    };
    let asked = wish.receive_buffer.unwrap_or(RECEIVE_BUFFER);
    let Wish { share, offload, .. } = *wish;
    let options = Options { share, offload, receive_buffer: asked, patient: false, ..Options::new(address) };
    let (endpoint, others) = options.open_together(wish.threads)?;
    let mut notices = Vec::new();
    let groups = join(wish, &endpoint, &table, &mut notices)?;
    let granted = endpoint.granted().receive_buffer;
    notices.extend(granted.filter(|granted| *granted < asked).map(|size| Notice::SmallReceiveBuffer(asked, size)));
    let local = endpoint.local();
    if local.is_ipv6() && local.ip().is_unspecified() {
        notices.push(Notice::Ipv6Only(local));
    }
    let listening = Listening { role: wish.role, local, groups, receive_buffer: (asked, granted) };
    let names = table.links(wish.interfaces)?.into_iter().map(|link| link.name).collect::<Vec<_>>();
    let everybody = (wish.groups.is_empty() && hears_all_nodes(&endpoint)).then_some(ALL_NODES.into());
    let mut others: Vec<_> = others.into_iter().map(|other| Fanout::new(vec![other], table.clone())).collect();
    others.iter_mut().for_each(Fanout::leave_broadcasts);
    let mut network = Fanout::new(vec![endpoint], table);
    for group in wish.groups.iter().copied().chain(everybody) {
        network.keep_joined(group, names.clone());
    }
    network.keep_watching(watch)?;
    for network in iter::once(&mut network).chain(&mut others) {
        network.watch_interfaces()?;
        network.poll_for(wish.busy_poll.unwrap_or_default());
    }
    Ok(Open { network, others, listening, notices })
}

/// Bound to one address, a socket hears no broadcasts; bound to a group, to a broadcast address or to everything, it hears
/// what it should.
pub(super) fn hears_no_broadcast(table: &Table, address: IpAddr) -> Option<Notice> {
    let IpAddr::V4(ip) = address else { return None };
    let several = ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast() || table.broadcaster(ip).is_some();
    (!several).then_some(Notice::HearsNoBroadcast(address))
}

/// Joins every group on every chosen interface, or on every one that can multicast.
fn join(
    wish: &Wish<'_>,
    endpoint: &Endpoint,
    table: &Table,
    notices: &mut Vec<Notice>,
) -> Result<Vec<(IpAddr, Link)>, Error> {
    let links = if wish.interfaces.is_empty() { multicast_links(table) } else { table.links(wish.interfaces)? };
    if wish.groups.is_empty() {
        let everybody = hears_all_nodes(endpoint);
        let joined = links.into_iter().filter(|link| everybody && endpoint.join(ALL_NODES.into(), link).is_ok());
        return Ok(joined.map(|link| (ALL_NODES.into(), link)).collect());
    }
    let mut joined = Vec::new();
    let mut last = links.is_empty().then_some(Fault { kind: FaultKind::NetworkDown, code: None });
    for group in wish.groups {
        for link in &links {
            match endpoint.join(*group, link) {
                Ok(()) => joined.push((*group, link.clone())),
                Err(fault) => {
                    last = Some(fault);
                    notices.push(Notice::GroupNotJoined(*group, link.clone(), fault));
                }
            }
        }
    }
    match (joined.is_empty(), last, wish.groups.first()) {
        (true, Some(fault), Some(group)) => Err(Error::System { action: Action::Join, on: group.to_string(), fault }),
        _ => Ok(joined),
    }
}

/// Every IPv6 host is in ff02::1 (RFC 4291 2.8), but only a socket that joins it hears what the host hears.
fn hears_all_nodes(endpoint: &Endpoint) -> bool {
    endpoint.family() == Family::V6 && endpoint.local().ip().is_unspecified()
}

fn multicast_links(table: &Table) -> Vec<Link> {
    let able = |row: &&Interface| row.facts.up && (row.facts.can_multicast || row.facts.loopback);
    Link::each_once(table.rows().iter().filter(able).map(Interface::link))
}
