//! What becomes of a frame.

use lb_user::dataplane::Outcome;

/// What became of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// XDP_DROP
    Dropped,
    /// XDP_PASS, and the frame as the stack gets it.
    Passed(Vec<u8>),
    /// XDP_TX, and the frame that leaves by the interface that the other came in by.
    Sent(Vec<u8>),
    /// XDP_REDIRECT, and the frame that leaves by another interface.
    Redirected(Vec<u8>),
}

impl Fate {
    /// The fate that an XDP action means.
    ///
    /// # Panics
    /// LVX must not give that action.
    pub fn of(outcome: Outcome) -> Self {
        let Outcome { action, frame } = outcome;
        match action {
            1 => Self::Dropped,
            2 => Self::Passed(frame),
            3 => Self::Sent(frame),
            4 => Self::Redirected(frame),
            other => panic!("XDP action {other}"),
        }
    }

    /// The frame that left by the interface that the other came in by.
    ///
    /// # Panics
    /// None did.
    pub fn sent(&self) -> &[u8] {
        match self {
            Self::Sent(frame) => frame,
            Self::Dropped | Self::Passed(_) | Self::Redirected(_) => panic!("not sent: {self:02x?}"),
        }
    }
}
