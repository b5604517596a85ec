//! The meanings of a workload's texts, by the embedded sentence encoder.

use super::{Desk, bar};
use crate::failure::Failure;
use crate::weights;
use nunchi_local::SentenceEncoder;
use nunchi_saving::{Meanings, ReplayCall, ReplayPolicy, texts_to_embed};

/// Texts embedded at once.
const BATCH: usize = 64;

/// Embeds what a replay asks for; `None` where the encoder is not at hand.
pub(super) async fn of(
    desk: &Desk,
    calls: &[ReplayCall],
    policies: &[ReplayPolicy],
) -> Result<Option<Meanings>, Failure> {
    let store = weights::store(&desk.config.local)?;
    let id = desk.config.local.encoder.clone();
    if !desk.config.local.enabled || !store.has(&id) {
        return Ok(None);
    }
    let texts: Vec<String> = texts_to_embed(calls, policies).into_iter().collect();
    let bar = bar(texts.len(), &id);
    let work = move || -> Result<Meanings, Failure> {
        let encoder = SentenceEncoder::load(&store, &id)?;
        let mut meanings = Meanings::with_capacity(texts.len());
        for batch in texts.chunks(BATCH) {
            meanings.extend(batch.iter().cloned().zip(encoder.embed(batch)?.vectors));
            bar.inc(batch.len() as u64);
        }
        bar.finish_and_clear();
        Ok(meanings)
    };
    let embedded = tokio::task::spawn_blocking(work).await;
    embedded.map_err(|error| Failure::system("the encoder", error))?.map(Some)
}
