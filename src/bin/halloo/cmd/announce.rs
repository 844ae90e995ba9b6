//! `halloo announce`.

use std::io;

use halloo::discovery::engines::{Announced, Announcing, announcing};
use halloo::discovery::{draws, instance};
use halloo::drive::Stop;
use halloo::engine::guard::Rules;
use halloo::engine::reach::{DISCOVERY_PORT, Reach};
use halloo::model::{About, Error, Event, InstanceId, Now, ServiceName, Sink, Verdict};
use halloo::net::{Batch, host_name, interfaces};
use halloo::wire::beacon::MOST_BYTES;

use crate::args::{self, RateLimit};
use crate::cmd::run::{Output, Setup, run_queued};
use crate::cmd::secret;
use crate::cmd::task::{Code, Task};
use crate::report::{Queue, Style};

/// Announces a service until it is told to end, or a program has ended. Says the exit code.
pub(super) fn run(args: &args::Announce, output: &Output) -> u8 {
    let failed = |error: Error| match args.command.is_empty() {
        true => output.fail(&error),
        // Standard output is the program's own, even where it was not started.
        false => output.fail_aside(&error),
    };
    announce(args, output).unwrap_or_else(|error| failed(error).code())
}

fn announce(args: &args::Announce, output: &Output) -> Result<u8, Error> {
    let shared = secret::shared(args.reach.secret_file.as_deref())?;
    let table = interfaces::list()?;
    let mut draws = draws()?;
    let name = name(args)?;
    // Held to the end of the run, so that nobody else is this instance meanwhile.
    let instance = instance(&args.kind, &name, args.port, &mut draws);
    let service = Announced {
        reach: reach(&args.reach),
        about: about(args, name, instance.id())?,
        secret: shared.secret,
        rules: rules(args),
        allow_routed: args.allow_routed,
        draws,
        deadline: args.timeout,
        notices: shared.notice.into_iter().collect(),
    };
    let Announcing { mut engine, mut network, .. } = announcing(service, &table)?;
    let batch = Batch::new(MOST_BYTES + 1);
    let mut queue = Queue::new();
    if args.command.is_empty() {
        let setup = Setup::new(&mut network, batch, true)?;
        let sink = output.queued(Style::Announce, &mut queue);
        let unwritten = run_queued(&mut engine, &mut network, setup, (queue, sink))?;
        return Ok(unwritten.unwrap_or(engine.inner().stats().verdict).code());
    }
    let stop = Stop::default();
    let task = Task::start(&args.command, stop.clone(), network.waker()?)?;
    // Standard output is the program's own.
    let inner = output.queued_aside(Style::Announce, &mut queue);
    let sink: Box<dyn Sink + Send> = Box::new(Beneath { inner, code: task.code() });
    let unwritten = run_queued(&mut engine, &mut network, Setup { batch, stop }, (queue, sink));
    let code = task.end();
    Ok(match unwritten?.unwrap_or(engine.inner().stats().verdict) {
        Verdict::Done => code,
        // The network broke before the program ended, or what was said of it could not be written.
        other => other.code(),
    })
}

/// Where it is announced, or looked for.
pub(super) fn reach(args: &args::Reach) -> Reach {
    Reach {
        interfaces: args.interface.clone(),
        family: args.family(),
        port: args.discovery_port.unwrap_or(DISCOVERY_PORT),
    }
}

fn name(args: &args::Announce) -> Result<ServiceName, Error> {
    match &args.name {
        Some(name) => Ok(name.clone()),
        None => Ok(host_name().ok_or_else(no_name)?.parse()?),
    }
}

fn about(args: &args::Announce, name: ServiceName, id: InstanceId) -> Result<About, Error> {
    Ok(About {
        id,
        name,
        kind: args.kind.clone(),
        port: args.port,
        advertised: args.advertise,
        attributes: args.attributes()?,
        ttl: args.ttl,
    })
}

fn no_name() -> Error {
    Error::Misuse {
        what: "this host has no name that the service could have".to_owned(),
        instead: "write one: --name NAME".to_owned(),
    }
}

fn rules(args: &args::Announce) -> Rules {
    let rate = match args.rate_limit {
        RateLimit::PerSecond(rate) => Some(rate.get()),
        RateLimit::Off => None,
    };
    Rules::of_discovery(rate)
}

/// Tells the exit code of the program in the summary.
struct Beneath {
    inner: Box<dyn Sink + Send>,
    code: Code,
}

impl Sink for Beneath {
    fn event(&mut self, now: Now, event: &Event<'_>) -> io::Result<()> {
        match event {
            Event::Summary(stats) if stats.verdict == Verdict::Done => {
                let mut stats = (*stats).clone();
                stats.command = self.code.get().copied();
                self.inner.event(now, &Event::Summary(&stats))
            }
            event => self.inner.event(now, event),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
