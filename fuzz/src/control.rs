//! Control messages: any bytes give some answer, and what a kernel would write is read as it was meant. Linux.

#[cfg(target_os = "linux")]
pub use linux::run;

/// Elsewhere there is nothing of this kind.
#[cfg(not(target_os = "linux"))]
pub fn run(_: &[u8]) {}

#[cfg(target_os = "linux")]
mod linux {
    use std::net::{Ipv4Addr, Ipv6Addr};
    use std::time::{Duration, SystemTime};

    use arbitrary::Arbitrary;

    use crate::cmsg::{Control, Extended, read, socket_address, unreachable};

    #[derive(Arbitrary, Debug)]
    struct Input<'b> {
        messages: Vec<Message<'b>>,
        cut: u16,
    }

    #[derive(Arbitrary, Debug)]
    enum Message<'b> {
        Pktinfo { index: u32, local: Ipv4Addr, destination: Ipv4Addr },
        Pktinfo6 { index: u32, destination: Ipv6Addr },
        Ttl { hops: u8, v6: bool },
        Time { seconds: u32, nanoseconds: u32 },
        Error { errno: u32, origin: u8, kind: u8, code: u8, info: u32, offender: Ipv4Addr, v6: bool },
        Unknown { kind: u16, data: &'b [u8] },
    }

    /// Runs it.
    pub fn run(input: &[u8]) {
        look(input);
        let Some(Input { messages, cut }) = crate::made_of(input) else { return };
        let mut bytes = Vec::new();
        let mut meant = Control::default();
        for message in &messages {
            message.write(&mut bytes);
            message.note(&mut meant);
        }
        assert_eq!(read(&bytes), meant);
        look(&bytes[..usize::from(cut) % (bytes.len() + 1)]);
    }

    fn look(bytes: &[u8]) {
        let _ = read(bytes).error.as_ref().map(unreachable);
        let _ = socket_address(bytes);
    }

    impl Message<'_> {
        /// What it says, noted by hand.
        fn note(&self, control: &mut Control) {
            match *self {
                Self::Pktinfo { index, local, destination } => {
                    control.interface = (index != 0).then_some(index);
                    control.local = Some(local.into());
                    control.destination = Some(destination.into());
                }
                Self::Pktinfo6 { index, destination } => {
                    control.interface = (index != 0).then_some(index);
                    control.local = (destination.octets()[0] != 0xff).then_some(destination.into());
                    control.destination = Some(destination.into());
                }
                Self::Ttl { hops, .. } => control.ttl = Some(hops),
                Self::Time { seconds, nanoseconds } => {
                    let since = Duration::new(seconds.into(), nanoseconds % 1_000_000_000);
                    control.wall = Some(SystemTime::UNIX_EPOCH + since);
                }
                Self::Error { errno, origin, kind, code, info, offender, .. } => {
                    control.error = Some(Extended { errno, origin, kind, code, info, offender: Some(offender.into()) });
                }
                Self::Unknown { .. } => {}
            }
        }

        /// As a kernel writes it (cmsg(3)), where a word has eight bytes.
        fn write(&self, bytes: &mut Vec<u8>) {
            let (level, kind) = self.number();
            let data = self.data();
            bytes.extend((2 * size_of::<usize>() + data.len()).to_ne_bytes());
            bytes.extend(level.to_ne_bytes());
            bytes.extend(kind.to_ne_bytes());
            bytes.extend(data);
            bytes.resize(bytes.len().next_multiple_of(size_of::<usize>()), 0);
        }

        fn number(&self) -> (i32, i32) {
            match self {
                Self::Pktinfo { .. } => (libc::IPPROTO_IP, libc::IP_PKTINFO),
                Self::Pktinfo6 { .. } => (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO),
                Self::Ttl { v6: false, .. } => (libc::IPPROTO_IP, libc::IP_TTL),
                Self::Ttl { v6: true, .. } => (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT),
                Self::Time { .. } => (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS),
                Self::Error { v6: false, .. } => (libc::IPPROTO_IP, libc::IP_RECVERR),
                Self::Error { v6: true, .. } => (libc::IPPROTO_IPV6, libc::IPV6_RECVERR),
                // A level that no protocol has.
                Self::Unknown { kind, .. } => (9_999, i32::from(*kind)),
            }
        }

        fn data(&self) -> Vec<u8> {
            match *self {
                Self::Pktinfo { index, local, destination } => {
                    [index.to_ne_bytes(), local.octets(), destination.octets()].concat()
                }
                Self::Pktinfo6 { index, destination } => [&destination.octets()[..], &index.to_ne_bytes()].concat(),
                Self::Ttl { hops, .. } => i32::from(hops).to_ne_bytes().to_vec(),
                Self::Time { seconds, nanoseconds } => {
                    [u64::from(seconds).to_ne_bytes(), u64::from(nanoseconds % 1_000_000_000).to_ne_bytes()].concat()
                }
                Self::Error { errno, origin, kind, code, info, offender, .. } => {
                    let mut data = errno.to_ne_bytes().to_vec();
                    data.extend([origin, kind, code, 0]);
                    data.extend(info.to_ne_bytes());
                    data.extend([0; 4]);
                    data.extend((libc::AF_INET as u16).to_ne_bytes());
                    data.extend([0, 0]);
                    data.extend(offender.octets());
                    data.extend([0; 8]);
                    data
                }
                Self::Unknown { data, .. } => data.to_vec(),
            }
        }
    }
}
