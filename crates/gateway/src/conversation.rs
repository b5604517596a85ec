//! Which conversation a request belongs to.

use crate::call::Ask;
use nunchi_saving::conversation_of;

/// The session the caller names, else its key and first question; with a name for people. `None` without either.
pub(crate) fn identity(ask: &Ask) -> Option<(u64, String)> {
    conversation_of(&ask.request, &ask.context)
}
