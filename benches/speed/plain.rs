//! The yardstick of `scripts/bench speed`: what the standard library does without further thought. Built with rustc alone.
//!
//! `bench-plain echo|sink ADDRESS` answers, or only receives, one datagram at a time; `bench-plain send ADDRESS TEXT` sends one.

use std::net::UdpSocket;

fn main() -> std::io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["echo", address] => echo(&UdpSocket::bind(address)?),
        ["sink", address] => sink(&UdpSocket::bind(address)?),
        ["send", address, text] => UdpSocket::bind("0.0.0.0:0")?.send_to(text.as_bytes(), address).map(drop),
        _ => panic!("echo ADDRESS, sink ADDRESS or send ADDRESS TEXT"),
    }
}

fn echo(socket: &UdpSocket) -> std::io::Result<()> {
    let mut buffer = [0; 65536];
    loop {
        let (length, peer) = socket.recv_from(&mut buffer)?;
        socket.send_to(&buffer[..length], peer)?;
    }
}

fn sink(socket: &UdpSocket) -> std::io::Result<()> {
    let mut buffer = [0; 65536];
    loop {
        socket.recv_from(&mut buffer)?;
    }
}
