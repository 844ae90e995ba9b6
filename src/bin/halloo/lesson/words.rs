//! The words of the frame around every lesson, in every language.

use super::text::{Lang, Text, text};

pub(crate) const YOU_SAID: Text = text("you said", "你的答案");
pub(crate) const THE_KERNEL: Text = text("the kernel", "内核");
pub(crate) const NOTHING: Text = text("no answer", "没有");
pub(crate) const RIGHT: Text = text("right", "对");
pub(crate) const NOT_SO: Text = text("not so", "不对");
pub(crate) const ELSEWHERE: Text = text("elsewhere", "别的系统");
pub(crate) const TRY: Text = text("try", "试一试");
pub(crate) const OK: Text = text("ok", "对");
pub(crate) const SURPRISE: Text = text("SURPRISE", "意外");
pub(crate) const SOMETHING_ELSE: Text = text(
    "This system did something else than the lesson expects: what surprises is marked above.",
    "这个系统的表现和本课预期的不一样：意外之处已在上面标出。",
);
pub(crate) const BROKE_DOWN: Text = text("the experiment broke down", "实验没有做成");
pub(crate) const UNSEEN: Text = text("unseen", "看不到");
pub(crate) const WHY: Text = text("why", "为什么");
pub(crate) const HINT: Text = text("hint", "提示");
pub(crate) const STAGE_PRIVATE: Text = text("stage: private network", "实验环境：隔离网络");
pub(crate) const STAGE_LOOPBACK: Text = text("stage: loopback", "实验环境：本机回环");
pub(crate) const SKIPPED: Text = text("skipped", "跳过");
pub(crate) const A_NUMBER: Text = text("a number", "一个数");
pub(crate) const NUMBERS: Text = text("numbers in order, such as: 1 2 3", "按顺序的几个数，例如：1 2 3");
pub(crate) const A_LETTER: Text = text("one letter", "一个字母");
pub(crate) const LETTERS: Text = text("letters, or - for none", "几个字母，一个都没有就写 -");
pub(crate) const NONE_OF_THEM: Text = text("none of them", "一个也没有");
pub(crate) const PRESS_ENTER: Text = text("Enter goes on", "按回车继续");
pub(crate) const ASK_AGAIN: Text = text("not understood; write", "没看懂，请输入");
pub(crate) const EMPTY_LEAVES_OUT: Text = text("? for a hint; Enter: just show me", "? 看提示；直接回车：只看结果");
pub(crate) const NEXT: Text = text("next", "下一课");
pub(crate) const ALL_DONE: Text = text("every lesson is done", "全部学完了");
pub(crate) const LESSONS: Text = text("lessons", "课");
pub(crate) const LEGEND: Text =
    text("+ right   - otherwise   . looked at   * core track", "+ 答对   - 答错   . 看过   * 核心课程");
pub(crate) const EXPECTED: Text = text("expected", "应为");
pub(crate) const SEEN: Text = text("seen", "实际");
pub(crate) const NOT_KEPT: Text = text("your answer was not kept", "答案没有保存");
pub(crate) const BROKEN_ON_PURPOSE: Text =
    text("broken on purpose: the check must turn red", "故意破坏了实验条件：检查结果应当变红");

pub(crate) const TOO_LITTLE: Text = text("this machine has too little for it", "系统资源不够");
pub(crate) const MORE_RESOURCES: Text = text(
    "'ulimit -n' shows how many files a program may have open, 'ulimit -u' how many processes",
    "用 ulimit -n 看一个程序最多能打开多少文件，用 ulimit -u 看最多能有多少进程",
);

/// Between two parts of a line.
pub(crate) const SEMICOLON: Text = text("; ", "；");

/// A word in front of what it announces: `hint: `, with the colon of the language.
pub(crate) fn label(word: Text, lang: Lang) -> String {
    format!("{}{}", word.raw(lang), text(": ", "：").raw(lang))
}

/// A word in the brackets of the language.
pub(crate) fn in_brackets(word: &str, lang: Lang) -> String {
    let [open, close] = [text("(", "（"), text(")", "）")].map(|bracket| bracket.raw(lang));
    format!("{open}{word}{close}")
}

/// A word behind what it judges. The brackets of Chinese bring their own space.
pub(crate) fn aside(word: &str, lang: Lang) -> String {
    format!("{}{}", text(" ", "").raw(lang), in_brackets(word, lang))
}
