//! Long results, kept whole for the run that got them: without secrets, for a while, under the cap of the store of originals.

use super::Agent;
use crate::results::{ResultWish, recalled};
use jiff::{SignedDuration, Timestamp};
use nunchi_core::{ContentHash, Original, RunId, ToolCall, ToolError, ToolOutput, mask_secrets, result_key};
use serde::Deserialize;

/// How long a result can be recalled. A run may wait for a person for days.
const LIFE: SignedDuration = SignedDuration::from_hours(14 * 24);
/// Most bytes of one result that are kept.
const LARGEST: usize = 4 << 20;
/// Length of an id, in hexadecimal digits of the content's hash.
const ID: usize = 12;

impl Agent {
    /// Keeps an answer that is longer than `most` bytes, and says under which id. Where it cannot be kept the run goes on without.
    pub(super) async fn keep_long(&self, run: RunId, most: usize, output: &mut ToolOutput) {
        let Some(store) = self.parts.originals.as_ref().filter(|_| output.text.len() > most) else { return };
        let masked = mask_secrets(&output.text);
        let text = masked[..masked.floor_char_boundary(LARGEST)].to_owned();
        let mut id = ContentHash::of(&text).to_string();
        id.truncate(ID);
        let expires = self.parts.clock.now().checked_add(LIFE).unwrap_or(Timestamp::MAX);
        match store.put_originals(vec![Original { key: result_key(run, &id), text, expires }]).await {
            Ok(()) => output.kept = Some(id),
            Err(error) => tracing::warn!(%run, %error, "a long result cannot be kept"),
        }
    }

    /// Answers [`crate::results::RECALL_RESULT`].
    pub(super) async fn recall_result(&self, call: ToolCall) -> Result<ToolOutput, ToolError> {
        let wish = ResultWish::deserialize(&call.arguments).map_err(|error| {
            ToolError::new("tool.arguments", format!("The arguments do not fit: {error}."))
        })?;
        let gone = || {
            ToolError::new("recall.gone", format!("Nothing is kept under the id {}.", wish.id))
                .hint("Take the id from the shortened result, or call that tool again.")
        };
        let store = self.parts.originals.as_ref().ok_or_else(gone)?;
        let found = store.originals(vec![result_key(call.run, &wish.id)], self.parts.clock.now()).await;
        let found = found.map_err(|error| ToolError::new("recall.unreadable", error.to_string()))?;
        let kept = found.into_iter().next().ok_or_else(gone)?;
        Ok(ToolOutput::text(recalled(&kept.text, &wish)))
    }
}
