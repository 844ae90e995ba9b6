//! Why a lesson cannot be done here, and what to do about it, in every language.

use std::fmt::Display;
use std::io;
use std::num::TryFromIntError;
use std::sync::mpsc::RecvTimeoutError;

use halloo::model::error::{Broken, Fault, FaultKind};
use halloo::model::{Error, RecordError, TooLong};

#[cfg(not(target_os = "linux"))]
use super::text::text;
use super::text::{Lang, Text};
use super::words;

/// A cause in every language. What the system says stands in it as the system says it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Cause {
    en: String,
    zh: String,
}

impl Cause {
    /// One that has nothing to fill in.
    pub(crate) fn of(text: Text) -> Self {
        Self { en: text.en.to_owned(), zh: text.zh.to_owned() }
    }

    /// In this language.
    pub(crate) fn raw(&self, lang: Lang) -> &str {
        match lang {
            Lang::En => &self.en,
            Lang::Zh => &self.zh,
        }
    }

    /// The machine has too little of something for an experiment: what failed at which step, and what to do.
    pub(crate) fn shortage(step: &str, why: &dyn Display, remedy: &Self) -> Self {
        let in_words = |lang| {
            let label = words::label(words::TOO_LITTLE, lang);
            format!("{label}{step}: {why}{}{}", words::SEMICOLON.raw(lang), remedy.raw(lang))
        };
        Self { en: in_words(Lang::En), zh: in_words(Lang::Zh) }
    }
}

/// An error that may say that the machine has too little of something. That shows nothing about datagrams, and is no surprise.
pub(crate) trait Why: Display {
    /// What to do about it, if it is one of those.
    fn remedy(&self) -> Option<Cause> {
        None
    }
}

fn more_resources() -> Cause {
    Cause::of(words::MORE_RESOURCES)
}

impl Why for Fault {
    fn remedy(&self) -> Option<Cause> {
        (self.kind == FaultKind::OutOfResources).then(more_resources)
    }
}

impl Why for Error {
    fn remedy(&self) -> Option<Cause> {
        if let Self::System { fault, .. } = self { fault.remedy() } else { None }
    }
}

impl Why for Broken {
    fn remedy(&self) -> Option<Cause> {
        if let Self::Network(error) = self { error.remedy() } else { None }
    }
}

/// That of a thread, which the system has not to spare (pthread_create(3)).
impl Why for io::Error {
    fn remedy(&self) -> Option<Cause> {
        matches!(self.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory).then(more_resources)
    }
}

impl Why for RecordError {}
impl Why for TooLong {}
impl Why for RecvTimeoutError {}
impl Why for TryFromIntError {}

/// Where there are none on any machine.
#[cfg(not(target_os = "linux"))]
impl From<NoNetworks> for Cause {
    fn from(_: NoNetworks) -> Self {
        Self::of(text("private networks are a feature of Linux", "隔离网络只有 Linux 上才有"))
    }
}

/// There are no private networks on this system.
#[cfg(not(target_os = "linux"))]
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoNetworks;

#[cfg(target_os = "linux")]
mod linux {
    use std::error::Error as _;

    use halloo::lab::enclosure::Step;
    use halloo::lab::{Denied, LabError, Remedy};

    use super::{Cause, Why, words};

    impl Why for LabError {
        fn remedy(&self) -> Option<Cause> {
            self.shortage().map(Cause::from)
        }
    }

    impl From<Denied> for Cause {
        fn from(denied: Denied) -> Self {
            let remedy = Self::from(denied.remedy());
            let reason = denied.source().map_or_else(String::new, ToString::to_string);
            let en = format!("{denied}; {}", remedy.en);
            Self { en, zh: format!("{}：{reason}；{}", refused(denied.step()), remedy.zh) }
        }
    }

    /// What was refused, in Chinese.
    const fn refused(step: Option<Step>) -> &'static str {
        match step {
            None => "没有隔离网络：程序无法在里面启动",
            Some(Step::Mortality) => "没有隔离网络：没法让它随父进程一起结束",
            Some(Step::UserNamespace) => "没有隔离网络：系统不让建立用户命名空间",
            Some(Step::Setgroups) => "没有隔离网络：写不了 /proc/self/setgroups",
            Some(Step::UserMap) => "没有隔离网络：写不了 /proc/self/uid_map",
            Some(Step::GroupMap) => "没有隔离网络：写不了 /proc/self/gid_map",
            Some(Step::NetworkNamespace) => "没有隔离网络：系统不让建立网络命名空间",
            Some(Step::Check) => "没有隔离网络：里面的网络和外面是同一个",
            Some(Step::Loopback) => "没有隔离网络：里面的回环接口启用不了",
            Some(Step::Enter) => "没有隔离网络：进不去",
        }
    }

    impl From<Remedy> for Cause {
        fn from(remedy: Remedy) -> Self {
            let or_root = |or_root: bool| if or_root { "，或者用 root 运行" } else { "" };
            let zh = match remedy {
                Remedy::Program => "请看看这个程序在不在、能不能执行".to_owned(),
                Remedy::Raise { limit, or_root: root } => {
                    format!("把上限调高：sudo sysctl -w user.{limit}=10000{}", or_root(root))
                }
                Remedy::Set { setting, or_root: root } => format!("请执行 sudo sysctl -w {setting}{}", or_root(root)),
                Remedy::Capabilities => {
                    "这个 root 的权限不全，多半是在容器里：启动容器时加上 --cap-add SYS_ADMIN --cap-add SETFCAP"
                        .to_owned()
                }
                Remedy::Unfiltered => "是容器不允许：启动容器时加上 --security-opt seccomp=unconfined".to_owned(),
                Remedy::Outside => "是容器、chroot 或安全模块不允许：请到外面去运行，或者换成 root".to_owned(),
                Remedy::OtherKernel => "这个内核没有用户命名空间：请用 root 运行".to_owned(),
                Remedy::Root => "请用 root 运行".to_owned(),
                Remedy::Resources => words::MORE_RESOURCES.zh.to_owned(),
            };
            Self { en: remedy.to_string(), zh }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::super::Lang;
        use super::*;

        fn is_chinese(text: &str) -> bool {
            text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c))
        }

        #[test]
        fn every_remedy_is_said_in_every_language_with_the_same_command() {
            for (remedy, command) in [
                (Remedy::Program, ""),
                (Remedy::Raise { limit: "max_net_namespaces", or_root: true }, "sysctl -w user.max_net_namespaces="),
                (Remedy::Set { setting: "kernel.x=1", or_root: true }, "sudo sysctl -w kernel.x=1"),
                (Remedy::Capabilities, "--cap-add SYS_ADMIN --cap-add SETFCAP"),
                (Remedy::Unfiltered, "--security-opt seccomp=unconfined"),
                (Remedy::Outside, "chroot"),
                (Remedy::OtherKernel, "root"),
                (Remedy::Root, "root"),
                (Remedy::Resources, "ulimit -n"),
            ] {
                let cause = Cause::from(remedy);
                let [en, zh] = [Lang::En, Lang::Zh].map(|lang| cause.raw(lang));
                assert!(en.contains(command) && zh.contains(command), "{command}: {en} / {zh}");
                assert!(is_chinese(zh) && !is_chinese(en), "{en} / {zh}");
                assert_eq!(en.contains("or run it as root"), zh.contains("或者用 root 运行"), "{en} / {zh}");
            }
            assert_eq!(Cause::from(Remedy::Resources), Cause::of(words::MORE_RESOURCES));
        }

        #[test]
        fn every_step_has_a_sentence_of_its_own() {
            let mut sentences: Vec<&str> = Step::ALL.map(|step| refused(Some(step))).to_vec();
            sentences.push(refused(None));
            sentences.sort_unstable();
            sentences.dedup();
            assert_eq!(sentences.len(), Step::ALL.len() + 1);
        }

        #[test]
        fn a_refusal_is_told_with_the_words_of_the_system_and_what_to_do() {
            let command = std::process::Command::new("/no/such/program");
            let cause = Cause::from(halloo::lab::enclosure::spawn(command).unwrap_err());
            for (lang, words) in [(Lang::En, "; look whether"), (Lang::Zh, "；请看看")] {
                assert!(cause.raw(lang).contains("No such file or directory"), "{cause:?}");
                assert!(cause.raw(lang).contains(words), "{cause:?}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::stage::{Doing, Trouble};
    use super::*;

    #[test]
    fn a_shortage_is_skipped_and_every_other_error_is_not() {
        let doing = |kind| Err::<(), _>(Fault { kind, code: None }).doing("open a port");
        let Err(Trouble::Skip(cause)) = doing(FaultKind::OutOfResources) else { panic!("no skip") };
        assert!(cause.raw(Lang::En).starts_with("this machine has too little for it: open a port: out of memory"));
        assert!(cause.raw(Lang::En).contains("; 'ulimit -n'") && cause.raw(Lang::Zh).contains("；用 ulimit -n"));
        assert!(matches!(doing(FaultKind::NotPermitted), Err(Trouble::Failed(_))));
    }
}
