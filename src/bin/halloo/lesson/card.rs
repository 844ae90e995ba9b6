//! What a lesson is: one claim, one question, one experiment, one drawing. Each lesson is one constant in one file.

use halloo::model::lesson::Observed;

use super::claim::Claim;
use super::draw::Drawing;
use super::question::Question;
use super::stage::{Stage, Trouble};
use super::text::{Lang, Text};

/// A chapter of the course.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Chapter {
    /// What a message is.
    Messages,
    /// What happens when nobody is there.
    NobodyHome,
    /// Names, peers and strangers.
    ToWhom,
    /// What is lost, and where.
    NoPromises,
    /// Broadcast.
    ToEveryone,
}

/// Where a lesson can be done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Needs {
    /// Loopback is enough.
    Loopback,
    /// Several hosts on a LAN: a private network.
    Lan,
}

/// A lesson.
#[derive(Debug)]
pub(crate) struct Lesson {
    /// Its name, as it is typed.
    pub(crate) name: &'static str,
    /// Where it belongs.
    pub(crate) chapter: Chapter,
    /// Whether it is of the core track.
    pub(crate) core: bool,
    /// Where it can be done.
    pub(crate) needs: Needs,
    /// Its headline. It gives nothing away.
    pub(crate) title: Text,
    /// What is asked before.
    pub(crate) question: Question,
    /// Help with the question, if it is asked for.
    pub(crate) hint: Text,
    /// What it shows, in a sentence or two, below the drawing. With places for what was observed.
    pub(crate) claim: Text,
    /// The claims that are checked, with what each system should show.
    pub(crate) checks: &'static [Claim],
    /// What other systems do.
    pub(crate) elsewhere: Text,
    /// A command to go on with.
    pub(crate) try_this: &'static str,
    /// One more page for those who ask why.
    pub(crate) why: Text,
    /// The experiment.
    pub(crate) run: fn(&Stage) -> Result<Observed, Trouble>,
    /// Its drawing, from the record alone.
    pub(crate) draw: fn(&Observed, Lang) -> Drawing,
}

impl Chapter {
    /// In the order of the course.
    pub(crate) const ALL: [Self; 5] =
        [Self::Messages, Self::NobodyHome, Self::ToWhom, Self::NoPromises, Self::ToEveryone];

    /// Its headline.
    pub(crate) const fn title(self) -> Text {
        use super::text::text;
        match self {
            Self::Messages => text("Messages", "消息"),
            Self::NobodyHome => text("Nobody home", "没人在家"),
            Self::ToWhom => text("To whom am I speaking?", "我在对谁说话？"),
            Self::NoPromises => text("No promises", "不作保证"),
            Self::ToEveryone => text("To everyone", "面向所有人"),
        }
    }
}
