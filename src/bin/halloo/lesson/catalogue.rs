//! The lessons, in the order of the course, and the errors that each of them explains.

use super::card::{Chapter, Lesson};
use super::{messages, no_promises, nobody_home, to_everyone, to_whom};

/// All lessons, in order.
pub(crate) const ALL: &[&Lesson] = &[
    &messages::hello::LESSON,
    &messages::length::LESSON,
    &messages::boundaries::LESSON,
    &messages::sticky::LESSON,
    &messages::empty::LESSON,
    &messages::truncate::LESSON,
    &messages::limit::LESSON,
    &messages::framing::LESSON,
    &nobody_home::early::LESSON,
    &nobody_home::refused::LESSON,
    &to_whom::connect::LESSON,
    &to_whom::stranger::LESSON,
    &no_promises::overflow::LESSON,
    &to_everyone::permission::LESSON,
    &to_everyone::everyone::LESSON,
    &to_everyone::mask::LESSON,
    &to_everyone::limited::LESSON,
    &to_everyone::replies::LESSON,
];

/// The lesson of this name.
pub(crate) fn named(name: &str) -> Option<&'static Lesson> {
    ALL.iter().find(|lesson| lesson.name == name).copied()
}

/// The lessons of a chapter, in order.
pub(crate) fn of(chapter: Chapter) -> impl Iterator<Item = &'static Lesson> {
    ALL.iter().filter(move |lesson| lesson.chapter == chapter).copied()
}
