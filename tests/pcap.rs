//! `listen --pcap`: what it writes is what tshark reads, checksums and all.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use std::path::Path;
use std::process::Command;

use support::catcher::Catcher;
use support::lan::Lan;
use support::pattern;
use support::program::{Run, serve};

/// One packet as tshark dissects it.
#[derive(Debug, PartialEq)]
struct Packet {
    source: String,
    destination: String,
    ttl: String,
    /// UDP length less its header.
    len: usize,
    payload: String,
}

/// The fields that are asked for. The last two are 1 where the checksum is good.
const FIELDS: [&str; 11] = [
    "ip.src",
    "ipv6.src",
    "udp.srcport",
    "ip.dst",
    "ipv6.dst",
    "udp.dstport",
    "ip.ttl",
    "ipv6.hlim",
    "udp.length",
    "udp.payload",
    "frame.time_epoch",
];

/// Reads a capture file with tshark and makes sure that it has nothing to complain about.
fn read(file: &Path) -> Vec<Packet> {
    let file = file.display().to_string();
    // Of the experts' remarks, those about errors and warnings only: a note that a port is unusual is none.
    let complaints =
        "_ws.malformed || ip.checksum.status == 0 || udp.checksum.status == 0 || _ws.expert.severity >= 0x600000";
    assert_eq!(tshark(&file, &["-Y", complaints]), "", "tshark complains about {file}");
    let fields: Vec<&str> = FIELDS.iter().flat_map(|field| ["-e", *field]).collect();
    let good = "udp.checksum.status == 1 && (ipv6 || ip.checksum.status == 1)";
    let text = tshark(&file, &[&["-Y", good, "-T", "fields", "-E", "separator=,"], &fields[..]].concat());
    text.lines().map(packet).collect()
}

fn packet(line: &str) -> Packet {
    let fields: Vec<&str> = line.split(',').collect();
    let [src, src6, src_port, dst, dst6, dst_port, ttl, hops, length, payload, time] = fields[..] else {
        panic!("{line:?}")
    };
    let length: usize = length.parse().unwrap();
    assert!(time.parse::<f64>().unwrap() > 1.7e9, "a time of this century: {line}");
    Packet {
        source: format!("{src}{src6}:{src_port}"),
        destination: format!("{dst}{dst6}:{dst_port}"),
        ttl: format!("{ttl}{hops}"),
        len: length - 8,
        payload: payload.to_owned(),
    }
}

fn tshark(file: &str, args: &[&str]) -> String {
    let mut command = Command::new("tshark");
    // Whatever port the system chose: the payload is data, not somebody's protocol.
    command.args(["-r", file, "-n", "-d", "udp.port==1-65535,data"]);
    command.args(["-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]);
    command.args(args);
    Run::new(command).output().expect_code(0).out()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn every_datagram_is_in_the_file_with_good_checksums() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x.pcap");
    // Odd and even lengths, one whose UDP checksum would be all zeros, none at all, and the largest there is.
    let payloads = [b"hi".to_vec(), b"odd".to_vec(), vec![], vec![0xff; 1473], pattern(65_507), vec![0; 8]];
    let count = payloads.len().to_string();
    let listener = serve(&["listen", "127.0.0.1:0", "--count", &count, "--pcap", &file.display().to_string()]);
    let catcher = Catcher::new();
    for payload in &payloads {
        catcher.send(payload, &listener.address());
    }
    let local = listener.address();
    listener.finish().expect_code(0);
    let expected: Vec<Packet> = payloads
        .iter()
        .map(|payload| Packet {
            source: catcher.address(),
            destination: local.clone(),
            ttl: "64".to_owned(),
            len: payload.len(),
            payload: hex(payload),
        })
        .collect();
    let packets = read(&file);
    assert_eq!(packets.len(), expected.len());
    for (packet, expected) in packets.iter().zip(&expected) {
        assert!(packet == expected, "{:.300}\nis not\n{:.300}", format!("{packet:?}"), format!("{expected:?}"));
    }
}

#[test]
fn over_ipv6_too() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x.pcap");
    let listener = serve(&["listen", "[::1]:0", "--count", "2", "--pcap", &file.display().to_string()]);
    let catcher = Catcher::on("[::1]:0");
    catcher.send("hello", &listener.address());
    catcher.send("", &listener.address());
    let ports = (catcher.local().port(), listener.port());
    listener.finish().expect_code(0);
    let packets = read(&file);
    assert_eq!(packets.len(), 2);
    assert_eq!(
        (&*packets[0].source, &*packets[0].destination),
        (&*format!("::1:{}", ports.0), &*format!("::1:{}", ports.1))
    );
    assert_eq!((&*packets[0].payload, packets[1].len, &*packets[0].ttl), (&*hex(b"hello"), 0, "64"));
}

#[test]
fn broadcasts_keep_their_destination() {
    let Some(lan) = Lan::new() else { return };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x.pcap");
    let listener = lan.host("h2").serve(&["listen", "--count", "2", "--pcap", &file.display().to_string()]);
    lan.host("h1").run(&["broadcast", "hi"]).expect_code(0);
    lan.host("h1").run(&["broadcast", "hi", "--limited"]).expect_code(0);
    listener.finish().expect_code(0);
    let packets = read(&file);
    let to: Vec<&str> = packets.iter().map(|packet| &*packet.destination).collect();
    assert_eq!(to, ["10.77.0.255:1060", "255.255.255.255:1060"]);
    assert!(packets.iter().all(|packet| packet.ttl == "1" && packet.source.starts_with("10.77.0.1:")), "{packets:?}");
}

#[test]
fn the_file_is_whole_while_the_run_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x.pcap");
    let listener = serve(&["listen", "127.0.0.1:0", "--json", "--pcap", &file.display().to_string()]);
    Catcher::new().send("hi", &listener.address());
    // Both are written before the next wait; the object is seen when the file may not yet be, so a second one is sent.
    listener.process.wait_event("recv");
    Catcher::new().send("ho", &listener.address());
    listener.process.wait_events("recv", 2);
    assert!(!read(&file).is_empty());
    listener.stop().expect_code(0);
    assert_eq!(read(&file).len(), 2);
}
