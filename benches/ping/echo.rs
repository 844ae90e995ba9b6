//! The one echo server that both `halloo ping` and sockperf's client accept. Built by scripts/bench, with rustc alone.
//!
//! sockperf takes no answer that is the same bytes: its messages carry a flag "from a client", and it drops answers in
//! which that is still set. So this returns every datagram as it came, but for that bit in sockperf's messages. Those
//! begin with a 64-bit sequence number, so with a zero byte; halloo's probes begin with `h`.

use std::net::UdpSocket;

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let socket = UdpSocket::bind(address)?;
    let mut buffer = [0; 65536];
    loop {
        let (len, peer) = socket.recv_from(&mut buffer)?;
        let bytes = &mut buffer[..len];
        if len >= 14 && bytes[0] == 0 {
            bytes[9] &= !1;
        }
        socket.send_to(bytes, peer)?;
    }
}
