//! Captures, read by tshark.

use std::process::Command;

use halloo::model::event::{Listening, Received, Role};

use super::*;
use crate::report::samples::{self, Pages};

/// What tshark reads in the file: one row of tab-separated fields for each packet.
fn tshark(file: &[u8], fields: &[&str]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.pcapng");
    std::fs::write(&path, file).unwrap();
    let mut command = Command::new("tshark");
    command.arg("-r").arg(&path).args([
        "-n",
        "-T",
        "fields",
        "-o",
        "ip.check_checksum:TRUE",
        "-o",
        "udp.check_checksum:TRUE",
    ]);
    for field in fields {
        command.args(["-e", field]);
    }
    let output = command.output().expect("tshark, which scripts/test needs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn capture(datagrams: &[Datagram<'_>], listening: Option<&str>) -> Vec<u8> {
    let page = Pages::default();
    let mut pcap = Pcap::new(page.data()).unwrap();
    if let Some(local) = listening {
        let local = local.parse().unwrap();
        let listening = Listening { role: Role::Listen, local, groups: Vec::new(), receive_buffer: (0, None) };
        pcap.event(samples::now(), &Event::Listening(listening)).unwrap();
    }
    for datagram in datagrams {
        pcap.event(samples::now(), &Event::Received(Received { seq: 0, datagram })).unwrap();
    }
    pcap.flush().unwrap();
    page.data_bytes()
}

fn v6(payload: &[u8]) -> Datagram<'_> {
    Datagram {
        source: "[fe80::1%2]:35280".parse().unwrap(),
        destination: Some("[ff02::1]:1060".parse().unwrap()),
        cast: Some(Cast::Multicast),
        ttl: Some(1),
        ..samples::datagram(payload)
    }
}

#[test]
fn checksums_and_lengths_are_good_from_the_empty_to_the_longest() {
    let payload: Vec<u8> = (0..=250).cycle().take(65_527).collect();
    let v4_lengths = [0, 1, 2, 3, 1472, 65_507];
    let v6_lengths = [0, 1, 2, 3, 1452, 65_527];
    let mut datagrams: Vec<_> = v4_lengths.iter().map(|len| samples::datagram(&payload[..*len])).collect();
    datagrams.extend(v6_lengths.iter().map(|len| v6(&payload[..*len])));
    let fields = ["frame.len", "ip.len", "ip.checksum.status", "ipv6.plen", "udp.length", "udp.checksum.status"];
    let rows = tshark(&capture(&datagrams, None), &fields);
    let v4 = |len: usize| format!("{0}\t{0}\t1\t\t{1}\t1", 28 + len, 8 + len);
    let v6 = |len: usize| format!("{}\t\t\t{1}\t{1}\t1", 48 + len, 8 + len);
    let expected: Vec<_> = v4_lengths.map(v4).into_iter().chain(v6_lengths.map(v6)).collect();
    assert_eq!(rows, expected);
}

#[test]
fn addresses_ttl_time_and_interface_are_those_of_the_datagram() {
    let other = Datagram { link: Some(Link { index: 3, name: "eth1".into() }), ttl: None, ..samples::datagram(b"hi") };
    let datagrams = [samples::datagram(b"hi"), v6(b"hi"), other];
    let file = capture(&datagrams, None);
    let fields = ["frame.interface_name", "ip.src", "ipv6.src", "ip.dst", "ipv6.dst", "udp.srcport", "udp.dstport"];
    let rows = tshark(&file, &fields);
    assert_eq!(rows[0], "eth0\t10.77.0.2\t\t10.77.0.255\t\t35280\t1060");
    assert_eq!(rows[1], "eth0\t\tfe80::1\t\tff02::1\t35280\t1060");
    assert_eq!(rows[2], "eth1\t10.77.0.2\t\t10.77.0.255\t\t35280\t1060");
    let fields = ["frame.time_epoch", "ip.ttl", "ipv6.hlim", "frame.packet_flags_reception_type", "data.data"];
    let rows = tshark(&file, &fields);
    assert_eq!(rows[0], "1795244966.249421007\t64\t\t3\t6869");
    assert_eq!(rows[1], "1795244966.249421007\t\t1\t2\t6869");
}

#[test]
fn a_truncated_datagram_keeps_the_length_it_had() {
    let cut = Datagram { wire_len: 20_001, ..samples::datagram(b"abc") };
    let rows = tshark(&capture(&[cut], None), &["frame.len", "frame.cap_len", "ip.len", "udp.length"]);
    assert_eq!(rows, ["20029\t31\t20029\t20009"]);
}

#[test]
fn an_unknown_destination_is_the_listening_socket_or_nothing() {
    let dark = Datagram { destination: None, local: None, link: None, cast: None, ..samples::datagram(b"x") };
    let fields = ["ip.src", "ip.dst", "udp.dstport", "udp.checksum.status"];
    let once = std::slice::from_ref(&dark);
    assert_eq!(tshark(&capture(once, Some("10.77.0.1:9")), &fields), ["10.77.0.2\t10.77.0.1\t9\t1"]);
    assert_eq!(tshark(&capture(once, Some("[::]:9")), &fields), ["10.77.0.2\t0.0.0.0\t9\t1"]);
    assert_eq!(tshark(&capture(once, None), &fields), ["10.77.0.2\t0.0.0.0\t0\t1"]);
}

#[test]
fn an_empty_capture_is_a_file_too() {
    assert_eq!(tshark(&capture(&[], None), &["frame.number"]), Vec::<String>::new());
}
