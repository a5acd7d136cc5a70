//! Decisions: which lines of a record somebody gets who asked for some of them.
//!
//! What must stay true: whoever asks for a tenancy gets nothing of before it, after it, or of another one in between.

use std::collections::VecDeque;

use protocol::console_record::{RecordLine, Recorded, WantedLines};

use super::{
    entry::Entry,
    transcript::{Told, Transcript},
};

/// Takes entries in, oldest first, and gives the wanted lines out.
#[derive(Debug)]
pub(super) struct Search {
    wanted: WantedLines,
    /// As it is compared.
    sought: String,
    transcript: Transcript,
    found: VecDeque<RecordLine>,
    /// Only the last ones are wanted, and it is not known yet which these are.
    holds_back: bool,
}

impl Search {
    /// Looks for these.
    pub(super) fn new(wanted: WantedLines) -> Self {
        let sought = wanted.text.to_lowercase();
        let holds_back = wanted.tail.is_some();
        Self { wanted, sought, transcript: Transcript::default(), found: VecDeque::new(), holds_back }
    }

    /// Takes an entry in.
    pub(super) fn push(&mut self, entry: Entry) {
        self.transcript.push(entry);
        self.look();
    }

    /// There is nothing more that was printed before now.
    pub(super) fn caught_up(&mut self) {
        self.holds_back = false;
    }

    /// What was begun counts as a line: nothing has followed for a while, or nothing will.
    pub(super) fn end_line(&mut self) {
        self.transcript.end_line();
        self.look();
    }

    /// The next line.
    pub(super) fn poll_line(&mut self) -> Option<RecordLine> {
        if self.holds_back { None } else { self.found.pop_front() }
    }

    fn look(&mut self) {
        while let Some(told) = self.transcript.poll_line() {
            if !self.is_wanted(&told) {
                continue;
            }
            self.found.push_back(told.line);
            let tail = self.wanted.tail.filter(|_| self.holds_back);
            if tail.is_some_and(|tail| self.found.len() > tail as usize) {
                self.found.pop_front();
            }
        }
    }

    fn is_wanted(&self, told: &Told) -> bool {
        let WantedLines { tenancy, since_us, until_us, .. } = &self.wanted;
        let is_theirs = tenancy.is_none() || *tenancy == told.tenancy;
        let is_then = since_us.is_none_or(|since| since <= told.line.at_us)
            && until_us.is_none_or(|until| told.line.at_us < until);
        is_theirs && is_then && self.has_text(&told.line.what)
    }

    fn has_text(&self, what: &Recorded) -> bool {
        if self.sought.is_empty() {
            return true;
        }
        match what {
            Recorded::Printed(text) | Recorded::Note(text) | Recorded::Lost(text) => {
                text.to_lowercase().contains(&self.sought)
            }
            Recorded::TenancyBegan(_) | Recorded::TenancyEnded(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::id::TenancyId;
    use uuid::Uuid;

    use super::{super::entry::What, *};

    fn tenancy(number: u128) -> TenancyId {
        TenancyId(Uuid::from_u128(number))
    }

    /// Three tenancies with our own time between them; each line says when it was printed.
    fn entries() -> Vec<Entry> {
        let mark = |at_us, number: Option<u128>| Entry { at_us, what: What::Mark(number.map(tenancy)) };
        let print =
            |at_us, text: &str| Entry { at_us, what: What::Output(format!("{text}\r\n").into_bytes()) };
        vec![
            mark(10, None),
            print(11, "ours 11"),
            mark(20, Some(1)),
            print(21, "Kernel panic 21"),
            mark(30, None),
            print(31, "ours 31"),
            mark(40, Some(2)),
            print(41, "theirs 41"),
            mark(50, Some(1)),
            print(51, "login 51"),
            print(52, "kernel 52"),
        ]
    }

    #[test]
    fn only_what_is_wanted_is_found() {
        let check = |wanted: WantedLines, expected: &[&str]| {
            let mut search = Search::new(wanted.clone());
            entries().into_iter().for_each(|entry| search.push(entry));
            search.caught_up();
            let words = |line: RecordLine| match line.what {
                Recorded::Printed(text) | Recorded::Note(text) | Recorded::Lost(text) => text,
                Recorded::TenancyBegan(id) => format!("began {}", id.0.as_u128()),
                Recorded::TenancyEnded(id) => format!("ended {}", id.0.as_u128()),
            };
            let found: Vec<_> = std::iter::from_fn(|| search.poll_line()).map(words).collect();
            assert_eq!(found, expected, "{wanted:?}");
        };
        let all = WantedLines::default;
        check(
            all(),
            &[
                "ours 11",
                "began 1",
                "Kernel panic 21",
                "ended 1",
                "ours 31",
                "began 2",
                "theirs 41",
                "ended 2",
                "began 1",
                "login 51",
                "kernel 52",
            ],
        );
        check(
            WantedLines { tenancy: Some(tenancy(1)), ..all() },
            &["began 1", "Kernel panic 21", "ended 1", "began 1", "login 51", "kernel 52"],
        );
        check(
            WantedLines { tenancy: Some(tenancy(2)), since_us: Some(0), ..all() },
            &["began 2", "theirs 41", "ended 2"],
        );
        check(WantedLines { tenancy: Some(tenancy(3)), ..all() }, &[]);
        check(WantedLines { since_us: Some(31), until_us: Some(41), ..all() }, &["ours 31", "began 2"]);
        check(WantedLines { text: "KERNEL".into(), ..all() }, &["Kernel panic 21", "kernel 52"]);
        check(WantedLines { tail: Some(2), ..all() }, &["login 51", "kernel 52"]);
        check(WantedLines { tail: Some(1), until_us: Some(42), ..all() }, &["theirs 41"]);
        check(WantedLines { tail: Some(0), ..all() }, &[]);
        check(WantedLines { text: "ours".into(), tenancy: Some(tenancy(1)), ..all() }, &[]);
    }

    #[test]
    fn the_last_ones_are_known_only_at_the_end_and_what_follows_is_given_at_once() {
        let mut search = Search::new(WantedLines { tail: Some(1), follow: true, ..WantedLines::default() });
        entries().into_iter().for_each(|entry| search.push(entry));
        assert_eq!(search.poll_line(), None);
        search.caught_up();
        let told = |search: &mut Search| search.poll_line().map(|line| line.at_us);
        assert_eq!((told(&mut search), told(&mut search)), (Some(52), None));
        for at_us in [60, 61] {
            search.push(Entry { at_us, what: What::Output(b"more\r\n".to_vec()) });
        }
        search.push(Entry { at_us: 62, what: What::Output(b"login: ".to_vec()) });
        assert_eq!((told(&mut search), told(&mut search), told(&mut search)), (Some(60), Some(61), None));
        search.end_line();
        assert_eq!(told(&mut search), Some(62));
    }
}
