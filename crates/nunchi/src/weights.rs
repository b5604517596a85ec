//! The weights of the embedded models: listed, fetched with a bar, removed.

use crate::config::LocalConfig;
use crate::failure::Failure;
use indicatif::{ProgressBar, ProgressStyle};
use nunchi_core::Lang;
use nunchi_local::{FetchOptions, FetchStage, WeightPurpose, WeightStore, WeightsError, default_weights_dir};
use serde::Serialize;
use std::sync::Arc;

/// Weights as shown to people.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) purpose: String,
    pub(crate) bytes: u64,
    pub(crate) licence: String,
    pub(crate) present: bool,
}

impl From<WeightsError> for Failure {
    fn from(error: WeightsError) -> Self {
        Self::Explained(Box::new(error))
    }
}

/// The store of weights: the configured folder, `NUNCHI_WEIGHTS_DIR`, or the user's cache folder.
pub(crate) fn store(config: &LocalConfig) -> Result<Arc<WeightStore>, Failure> {
    let named = config.weights.clone().or_else(|| std::env::var_os("NUNCHI_WEIGHTS_DIR").map(Into::into));
    let folder = named.or_else(default_weights_dir).ok_or_else(|| {
        Failure::plain("local.no_folder", "there is no folder for weights", "가중치를 둘 폴더가 없습니다")
            .with_hint("Set NUNCHI_WEIGHTS_DIR.", "NUNCHI_WEIGHTS_DIR를 설정하세요.")
    })?;
    Ok(Arc::new(WeightStore::new(folder)))
}

/// All known weights.
pub(crate) fn list(config: &LocalConfig) -> Result<Vec<Shown>, Failure> {
    let shown = |status: nunchi_local::WeightStatus| Shown {
        purpose: match status.entry.purpose {
            WeightPurpose::Chat => "chat".into(),
            WeightPurpose::Encoder => "encoder".into(),
        },
        bytes: status.entry.size(),
        present: status.present,
        licence: status.entry.licence,
        title: status.entry.title,
        id: status.entry.id,
    };
    Ok(store(config)?.list().into_iter().map(shown).collect())
}

/// Fetches weights, all configured ones if none is named.
pub(crate) async fn pull(config: &LocalConfig, id: Option<&str>, lang: Lang) -> Result<Vec<String>, Failure> {
    let store = store(config)?;
    let ids = id.map_or_else(|| vec![config.chat.clone(), config.encoder.clone()], |id| vec![id.to_owned()]);
    for id in &ids {
        fetch(&store, id, false, lang).await?;
    }
    Ok(ids)
}

/// Removes weights from this machine.
pub(crate) fn remove(config: &LocalConfig, id: &str) -> Result<(), Failure> {
    store(config)?.remove(id)?;
    Ok(())
}

/// Makes weights present, with a bar on standard error where a person looks.
pub(crate) async fn fetch(
    store: &WeightStore,
    id: &str,
    offline: bool,
    lang: Lang,
) -> Result<(), WeightsError> {
    let options = FetchOptions { offline, ..FetchOptions::default() };
    let bar = ProgressBar::hidden();
    let style = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let outcome = store
        .fetch(id, &options, &|progress| {
            if bar.is_hidden() && progress.stage != FetchStage::Done {
                bar.set_draw_target(indicatif::ProgressDrawTarget::stderr());
            }
            bar.set_length(progress.total);
            bar.set_position(progress.done);
            bar.set_message(format!("{} {}", progress.id, stage(progress.stage, lang)));
        })
        .await;
    bar.finish_and_clear();
    outcome
}

fn stage(stage: FetchStage, lang: Lang) -> &'static str {
    match stage {
        FetchStage::Waiting => lang.pick("waits for another process", "다른 프로세스를 기다리는 중"),
        FetchStage::Downloading => lang.pick("arrives", "받는 중"),
        FetchStage::Unpacking => lang.pick("is unpacked", "푸는 중"),
        FetchStage::Verifying => lang.pick("is checked", "확인하는 중"),
        FetchStage::Done => lang.pick("is ready", "준비됨"),
    }
}
