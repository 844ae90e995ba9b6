//! The course: each lesson is one claim, one question, one experiment on real sockets, one drawing.
//!
//! - [`card`]: what a lesson is. [`catalogue`]: all of them, in order.
//! - [`stage`]: where it is played. [`actors`]: halloo's own servers and senders, with what they tell written down.
//! - [`cause`]: why a lesson cannot be done here.
//! - [`lan`], [`wire`]: several hosts, and what passes between them, where the stage has them.
//! - [`claim`]: what each system should show, held against what was observed. [`question`]: what is asked before.
//! - [`draw`], [`page`]: what is shown. [`text`], [`words`]: in which words, in every language.
//! - [`progress`]: what was learnt so far. [`course`]: a lesson from the question to the mark.
//! - [`messages`], [`nobody_home`], [`to_whom`], [`no_promises`], [`to_everyone`]: the chapters, a file for each lesson.
//!
//! The record of an experiment ([`halloo::model::lesson::Observed`]) feeds the text, the drawing, the check and the right
//! answer. A text that gives a result has a place for it: no result is written down anywhere but in the rule that checks it.
//!
//! # What is answered, and what waits
//!
//! The course is to answer what well-known tutorials show or claim, and what learners ask again and again.
//!
//! | asked, shown or claimed | lesson |
//! |---|---|
//! | client and server; what UDP and TCP put on the wire for one question; headers; connectionless or not | `hello` |
//! | the server that says how long the data were; characters against bytes; a character cut in two | `length` |
//! | message-based against stream-based; does a datagram arrive whole; one `recvfrom` for one `sendto` | `boundaries` |
//! | "sticky packets" come from Nagle; the sender waits until its buffer is full; `TCP_NODELAY` cures it | `sticky` |
//! | an empty message hangs the TCP client; can a datagram be empty; is it the end | `empty` |
//! | a read smaller than the message; where is the rest; can I read it again | `truncate` |
//! | 65507 and where it comes from; why one byte more fails; IPv6 | `limit` |
//! | length prefixes, headers in JSON, the loop that counts wrongly; `send` against `sendall` | `framing` |
//! | either side may start first; where a datagram goes that comes too early; the queue in the kernel; senders that have left | `early` |
//! | "connection refused" on a connectionless socket; which call fails; a send that is eaten by an old error | `refused` |
//! | what `connect` does on UDP; `connect` and `send` against `sendto`; which address is mine | `connect` |
//! | who may answer me; forged answers; does `connect` protect | `stranger` |
//! | lost on one machine; which `sendto` failed; receive buffers; Unix datagrams, which wait instead | `overflow` |
//! | permission denied on a broadcast; who needs `SO_BROADCAST` | `permission` |
//! | who hears a broadcast; bound to my own address I hear nothing; does the sender hear itself | `everyone` |
//! | network address and broadcast address from the netmask; discovery that works on /24 only | `mask` |
//! | 255.255.255.255 leaves by one card, or not at all; the empty string as an address is all interfaces | `limited` |
//! | answers to my broadcast never come; a connected asker; firewalls, access points, phones | `replies` |
//!
//! | waits | lesson to come |
//! |---|---|
//! | clients that are killed; endless empty reads; broken pipes; loops that swallow every exception | `killed` |
//! | three segments before data; backlog; half-open connections; the listening and the accepted socket; SYN floods | `handshake` |
//! | closing in three or four segments; TIME_WAIT; address already in use; SO_REUSEADDR; sysctl recipes | `goodbye` |
//! | one client at a time; threads, poll, epoll; "the second client cannot connect" | `crowd` |
//! | port numbers; the address that the system chooses; one program per port; own addresses over loopback | `ports` |
//! | two programs on one port, and who gets what | `share-port` |
//! | keys and challenges; replayed datagrams | `secret` |
//! | the answer comes from another address | `wrong-address` |
//! | names, `localhost`, address families, the hosts file | `names` |
//! | loss on the way; timeouts and asking again; out of order; twice | `loss`, `retry`, `twice` |
//! | does UDP check its data; one bit wrong | `checksum` |
//! | several datagrams in one read (GRO) | `glued` |
//! | a cable pulled out | `unplug` |
//! | pieces of a datagram; the largest safe size; the first large one vanishes | `fragments`, `mtu` |
//! | switches, ARP, loops of cables; routers and containers; a host without an address; IPv6 and groups | `switch`, `storm`, `router`, `no-address`, `multicast` |

pub(crate) mod actors;
pub(crate) mod card;
pub(crate) mod catalogue;
pub(crate) mod cause;
pub(crate) mod claim;
pub(crate) mod course;
pub(crate) mod draw;
pub(crate) mod lan;
mod messages;
mod no_promises;
mod nobody_home;
pub(crate) mod page;
pub(crate) mod progress;
pub(crate) mod question;
pub(crate) mod stage;
pub(crate) mod text;
mod to_everyone;
mod to_whom;
pub(crate) mod wire;
pub(crate) mod words;

#[cfg(test)]
mod tests;
