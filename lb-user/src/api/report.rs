//! What applying a file changes.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Change;

/// What applying a file changes, or would change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Report {
    /// What changes, sorted by subject. What a change does not name stays untouched.
    pub changes: Vec<Change>,
    /// What was set by hand and gives way, because the file changes the very same thing: `before` is what was set by
    /// hand, `after` what the file says.
    pub overruled: Vec<Change>,
    /// Services that hash, of whose buckets some lead to another server.
    pub buckets: Vec<BucketShare>,
    /// Live connections.
    pub connections: FlowShare,
    /// Persistence templates.
    pub templates: FlowShare,
    /// What stays as it is until a restart; a file that asks for any of it is not applied.
    pub needs_restart: Vec<Change>,
}

/// How many buckets of a service's hash table lead to another server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BucketShare {
    /// The service.
    pub service: String,
    /// Its scheduler, after the change.
    pub scheduler: String,
    /// Buckets that lead to another server, or to one where there was none, or the reverse.
    pub moved: u32,
    /// Buckets of the table.
    pub of: u32,
}

/// What becomes of live flows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FlowShare {
    /// Those that lose their server, which is removed, or their service.
    pub lost: u64,
    /// Those of clients that go to another server with their next connection, because theirs is quiesced
    /// (`expire_quiescent_template`).
    pub moved: u64,
    /// All of them.
    pub of: u64,
}

impl Report {
    /// Whether applying the file changes nothing.
    pub fn is_empty(&self) -> bool {
        let Self { changes, overruled, buckets: _, connections: _, templates: _, needs_restart } = self;
        changes.is_empty() && overruled.is_empty() && needs_restart.is_empty()
    }
}
