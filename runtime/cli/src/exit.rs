use std::process::ExitCode;

use portcullis_gate::Outcome;

/// What the command tells its caller. Only `Done` means that something may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The decision proceeds (`allow`, `warn`), or the command did what it was asked.
    Done = 0,
    /// An error, a failed test, a lock that does not match. Nothing proceeds.
    Error = 1,
    /// The command line is wrong. Nothing proceeds.
    Usage = 2,
    /// `inspect`, `diff`, `lock`, `policy sign`, `review approve`: no policy set could use the module.
    Refused = 3,
    /// `ledger verify`, `ledger list`, `receipt verify`, `policy verify`, `review`: not sound, or not by the keys that were named.
    Unsound = 4,
    /// `replay`: a decision is not identical, or cannot be made again.
    Differs = 5,
    /// `backtest`, `diff`: a decision becomes more lenient.
    MoreLenient = 6,
    /// `backtest`, `diff`: nothing was compared, or a policy of the candidate failed, so what it would decide is not known.
    Unknown = 7,
    /// The decision is `defer`.
    Defer = 20,
    /// The decision is `acknowledge`.
    Acknowledge = 21,
    /// The decision is `escalate`.
    Escalate = 22,
    /// The decision is `deny`.
    Deny = 23,
}

impl Exit {
    /// The stricter of two: an error over every outcome, then by rank.
    #[must_use]
    pub fn stricter(self, other: Exit) -> Exit {
        if self.rank() >= other.rank() { self } else { other }
    }

    fn rank(self) -> u8 {
        match self {
            Exit::Error | Exit::Usage => u8::MAX,
            Exit::Done
            | Exit::Refused
            | Exit::Unsound
            | Exit::Differs
            | Exit::MoreLenient
            | Exit::Unknown
            | Exit::Defer
            | Exit::Acknowledge
            | Exit::Escalate
            | Exit::Deny => self as u8,
        }
    }
}

impl From<Outcome> for Exit {
    fn from(outcome: Outcome) -> Exit {
        match outcome {
            Outcome::Allow | Outcome::Warn => Exit::Done,
            Outcome::Defer => Exit::Defer,
            Outcome::Acknowledge => Exit::Acknowledge,
            Outcome::Escalate => Exit::Escalate,
            Outcome::Deny => Exit::Deny,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_contract() {
        let codes = Outcome::ALL.map(|outcome| Exit::from(outcome) as u8);
        assert_eq!(codes, [0, 0, 20, 21, 22, 23]);
        assert_eq!([Exit::Error as u8, Exit::Usage as u8, Exit::Refused as u8], [1, 2, 3]);
        assert_eq!([Exit::Unsound as u8, Exit::Differs as u8], [4, 5]);
        assert_eq!([Exit::MoreLenient as u8, Exit::Unknown as u8], [6, 7]);
    }

    #[test]
    fn an_error_is_stricter_than_every_outcome_and_outcomes_go_by_rank() {
        for (n, one) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(Exit::Error.stricter(one.into()), Exit::Error);
            assert_eq!(Exit::from(one).stricter(Exit::Error), Exit::Error);
            for (m, other) in Outcome::ALL.into_iter().enumerate() {
                let strictest = Outcome::ALL[n.max(m)];
                assert_eq!(Exit::from(one).stricter(other.into()), strictest.into());
            }
        }
    }
}
