//! Providers' Batch APIs behind core's `BatchModel`: requests are encoded, and answers decoded, by the codec of live calls.

mod anthropic;
mod anthropic_wire;
mod faults;
mod lines;
mod openai;
mod openai_wire;
mod requests;
mod results;
#[cfg(test)]
mod testing;

use crate::provider::{Provider, WHOLE_LIMIT};
use crate::shared::{garbage, read_object};
use bytes::Bytes;
use http::Request;
use nunchi_core::{BatchModel, BatchTicket, ModelError};
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// Which Batch API is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BatchApi {
    /// OpenAI's: a file of requests in, files of answers out.
    OpenAi,
    /// Anthropic's: requests in, a stream of results out.
    Anthropic,
}

impl BatchApi {
    /// The API of a provider.
    pub(crate) fn open(self, provider: Arc<Provider>) -> Arc<dyn BatchModel> {
        match self {
            Self::OpenAi => Arc::new(openai::OpenAiBatches::new(provider)),
            Self::Anthropic => Arc::new(anthropic::AnthropicBatches::new(provider)),
        }
    }
}

/// Pages of a list of batches that are read before a search gives up.
const PAGE_LIMIT: usize = 100;

/// How far the provider's clock may be behind ours, in seconds.
const CLOCK_SKEW: i64 = 60;

/// Sends a request and reads the JSON object that answers it.
async fn ask<T: DeserializeOwned>(
    provider: &Provider,
    message: Request<Bytes>,
    what: &str,
) -> Result<T, ModelError> {
    let body = provider.exchange(message).await?.into_body().whole(WHOLE_LIMIT).await?;
    read_object(&body, what)
}

/// The id of a batch or a file, for a path. What a provider or the store gives is not trusted with slashes.
fn segment(id: &str) -> Result<&str, ModelError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:~".contains(&byte);
    let named = id.bytes().any(|byte| byte.is_ascii_alphanumeric());
    if named && id.len() <= 256 && id.bytes().all(fits) {
        Ok(id)
    } else {
        Err(garbage("an id that fits in no path"))
    }
}

/// Whether a page of a list, from the latest to the oldest, begins and ends before a time in Unix seconds: nothing behind it is
/// later. A list in another order is read to its end.
fn is_past(created: &[i64], since: i64) -> bool {
    let descending = created.is_sorted_by(|a, b| a >= b) && created.first() > created.last();
    let one = created.len() == 1;
    (descending || one) && created.iter().all(|at| at + CLOCK_SKEW < since)
}

fn is_known(known: &[BatchTicket], id: &str) -> bool {
    known.iter().any(|BatchTicket(other)| other == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_in_paths() {
        for id in ["batch_abc", "msgbatch_01-x", "a.b:c~d"] {
            assert_eq!(segment(id).unwrap(), id);
        }
        for id in ["", "..", "a/b", "a?b", "a b", "배치", &"x".repeat(257)] {
            assert!(segment(id).is_err(), "{id}");
        }
    }

    #[test]
    fn pages_that_end_a_search() {
        for (page, past) in [
            (&[900, 800, 700][..], true),
            (&[940, 800], false),
            (&[700, 800, 900], false),
            (&[800, 800], false),
            (&[800], true),
            (&[1_000], false),
            (&[], false),
        ] {
            assert_eq!(is_past(page, 1_000), past, "{page:?}");
        }
    }
}
