//! The lessons that were checked as JUnit XML, which those read who collect test results.

use std::io::{self, Write};
use std::time::Duration;

use halloo::model::lesson::{Fact, LessonRun, Status};
use halloo::model::{Event, Now, Sink};
use quick_xml::Writer;
use quick_xml::events::BytesText;

use super::escape::harmless;

/// Writes the file at the end: its head has the counts.
pub(crate) struct Junit<W: Write> {
    file: W,
    cases: Vec<Case>,
}

struct Case {
    name: &'static str,
    took: Duration,
    status: Status,
    why: String,
}

impl<W: Write> Junit<W> {
    /// Into this file.
    pub(crate) const fn new(file: W) -> Self {
        Self { file, cases: Vec::new() }
    }

    fn write(&mut self) -> io::Result<()> {
        let count = |status| self.cases.iter().filter(|case| case.status == status).count().to_string();
        let time = seconds(self.cases.iter().map(|case| case.took).sum());
        let mut xml = Writer::new_with_indent(&mut self.file, b' ', 1);
        let suite = xml.create_element("testsuite").with_attributes([
            ("name", "halloo learn"),
            ("tests", &*self.cases.len().to_string()),
            ("failures", &*count(Status::Surprise)),
            ("skipped", &*count(Status::Skip)),
            ("time", &*time),
        ]);
        suite.write_inner_content(|xml| self.cases.iter().try_for_each(|case| case.write(xml)))?;
        xml.get_mut().write_all(b"\n")
    }
}

impl Case {
    fn of(run: &LessonRun) -> Self {
        let wrong = run.facts.iter().filter(|fact| fact.ok == Some(false)).map(sentence);
        let mut lines: Vec<String> = wrong.collect();
        if lines.is_empty() {
            lines.extend(run.why.clone());
        }
        Self { name: run.lesson, took: run.took, status: run.status, why: harmless(&lines.join("; ")).into_owned() }
    }

    fn write<W: Write>(&self, xml: &mut Writer<W>) -> io::Result<()> {
        let time = seconds(self.took);
        let case = xml.create_element("testcase").with_attributes([
            ("classname", "halloo.learn"),
            ("name", self.name),
            ("time", &*time),
        ]);
        match self.status {
            Status::Ok => case.write_empty()?,
            Status::Surprise => case.write_inner_content(|xml| self.reason("failure", xml))?,
            Status::Skip => case.write_inner_content(|xml| self.reason("skipped", xml))?,
        };
        Ok(())
    }

    fn reason<W: Write>(&self, element: &str, xml: &mut Writer<W>) -> io::Result<()> {
        let reason = xml.create_element(element).with_attribute(("message", &*self.why));
        reason.write_text_content(BytesText::new(&self.why)).map(drop)
    }
}

fn sentence(fact: &Fact) -> String {
    let seen = fact.observed.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
    format!("{}: expected {}, observed {seen}", fact.claim, fact.expected.as_deref().unwrap_or("-"))
}

fn seconds(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64())
}

impl<W: Write> Sink for Junit<W> {
    fn event(&mut self, _: Now, event: &Event<'_>) -> io::Result<()> {
        match event {
            Event::Lesson(run) => {
                self.cases.push(Case::of(run));
                Ok(())
            }
            Event::Summary(_) => self.write(),
            _ => Ok(()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{self, Pages};
    use super::*;

    #[test]
    fn each_lesson_is_a_case_with_its_reason_escaped() {
        let page = Pages::default();
        let mut junit = Junit::new(page.data());
        let run = samples::lesson();
        let skipped =
            LessonRun { status: Status::Skip, facts: Vec::new(), why: Some("<no> \"LAN\"".into()), ..run.clone() };
        for run in [&run, &skipped] {
            junit.event(samples::now(), &Event::Lesson(run)).unwrap();
        }
        junit.event(samples::now(), &Event::Summary(&samples::stats())).unwrap();
        let xml = page.data_text();
        for part in [
            "<testsuite name=\"halloo learn\" tests=\"2\" failures=\"1\" skipped=\"1\" time=\"0.024\">",
            "<testcase classname=\"halloo.learn\" name=\"boundaries\" time=\"0.012\">",
            "<failure message=\"each read gives one datagram: expected 5, 3, observed 5\">",
            "<skipped message=\"&lt;no&gt; &quot;LAN&quot;\">",
        ] {
            assert!(xml.contains(part), "{part} in:\n{xml}");
        }
    }
}
