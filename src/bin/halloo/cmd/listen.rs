//! `halloo listen`.

use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use halloo::engine::serve::{Filter, Only, Plan};
use halloo::model::event::Role;
use halloo::model::target::DEFAULT_PORT;
use halloo::model::{Error, Family, Sink, Verdict};
use halloo::net::{KNOWS_DESTINATION, batch, interfaces};

use crate::args;
use crate::cmd::run::{Output, to_terminal};
use crate::cmd::serve::{Open, Wish, ends, hears_no_broadcast, open, serve};
use crate::report::{Frame, Human, Named, Options, Pcap, Queue, Raw, Show, Style, Tee, stderr, stdout};

/// Prints every datagram.
pub(super) fn run(args: &args::Listen, output: &Output) -> Result<Verdict, Error> {
    if args.raw().is_some() && !args.force && to_terminal() {
        return Err(Error::Misuse {
            what: "raw payload bytes can confuse a terminal".into(),
            instead: "send them into a pipe or a file, or add --force".into(),
        });
    }
    if args.only.is_some() && !KNOWS_DESTINATION {
        return Err(Error::Unsupported { what: "telling broadcasts from unicast" });
    }
    // A group of IPv6 is heard by a socket of IPv6.
    let host = args.join.first().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |group| Family::of(*group).wildcard());
    let wish = Wish {
        role: Role::Listen,
        address: args.address.as_ref(),
        default: SocketAddr::new(host, DEFAULT_PORT),
        share: args.share,
        receive_buffer: args.receive_buffer,
        offload: args.offload,
        busy_poll: args.busy_poll,
        threads: 1,
        interfaces: &args.interface,
        groups: &args.join,
    };
    let Open { network, listening, mut notices, .. } = open(&wish)?;
    notices.extend(hears_no_broadcast(network.table(), listening.local.ip()));
    let filter = Filter {
        from: args.from.clone(),
        only: args.only.map(only),
        interfaces: interfaces::names(network.table(), &args.interface)?,
        no_self: args.no_self,
    };
    let mut queue = Queue::new();
    let sink = sink(args, output, &mut queue)?;
    let ends = ends(args.count, args.timeout, args.idle);
    let (fail_on_loss, offload) = (args.fail_on_loss, args.offload);
    let plan = Plan { listening, notices, answer: None, filter, ends, fail_on_loss, offload };
    serve(plan, vec![network], args.max_size.unwrap_or(batch::SLOT), (queue, sink))
}

const fn only(only: args::Only) -> Only {
    match only {
        args::Only::Unicast => Only::Unicast,
        args::Only::Broadcast => Only::Broadcast,
        args::Only::Multicast => Only::Multicast,
    }
}

fn sink(args: &args::Listen, output: &Output, queue: &mut Queue) -> Result<Box<dyn Sink + Send>, Error> {
    let show = match args.show() {
        args::Show::Text => Show::Text,
        args::Show::Hex => Show::Hex,
        args::Show::None => Show::None,
    };
    let options = Options { show, ..output.options(Style::Receive) };
    let (data, notes) = (queue.inlet(stdout()), queue.inlet(stderr()));
    let lines: Box<dyn Sink + Send> = match args.raw() {
        Some(frame) => Box::new(Raw::new(raw_frame(frame), options, data, notes)),
        None if output.json => output.sink_to(Style::Receive, data, notes),
        None => Box::new(Human::new(options, data, notes)),
    };
    let Some(path) = &args.pcap else { return Ok(lines) };
    let failed = |error: io::Error| Error::Output { name: path.display().to_string(), why: error.to_string() };
    let file = File::create(path).map_err(failed)?;
    let file = Named::new(path.display().to_string(), file);
    let capture = Pcap::new(queue.inlet(file)).map_err(failed)?;
    Ok(Box::new(Tee(lines, Box::new(capture))))
}

const fn raw_frame(frame: args::Frame) -> Frame {
    match frame {
        args::Frame::Newline => Frame::Newline,
        args::Frame::Null => Frame::Null,
        args::Frame::Len32 => Frame::Len32,
        args::Frame::None => Frame::None,
    }
}
