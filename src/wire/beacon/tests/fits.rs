//! What a reader has of a message that was too long. The fuzzer takes this file in as well.

use super::Message;

/// The message without the attributes that `read` does not have, which may be left out of an answer and an announcement.
pub(super) fn as_far_as_it_fits(mut message: Message, read: &Message) -> Message {
    let (about, left) = match (&mut message, read) {
        (Message::Announce(whole), Message::Announce(read)) => (&mut whole.about, read.about.attributes.len()),
        (Message::Reply(whole), Message::Reply(read)) => {
            whole.more |= whole.about.attributes.len() > read.about.attributes.len();
            (&mut whole.about, read.about.attributes.len())
        }
        _ => return message,
    };
    while about.attributes.len() > left && about.attributes.drop_last() {}
    message
}
