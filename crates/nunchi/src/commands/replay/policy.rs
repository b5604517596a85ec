//! The policies of a replay: the configured one, or it with a file laid over it.

use super::Desk;
use crate::config::{Config, Layers};
use crate::failure::Failure;
use crate::wiring;
use nunchi_core::{Dialect, ModelPrice, Tier, TierRules};
use nunchi_gateway::{PriceBook, PriceCatalog, free_price};
use nunchi_saving::{ReplayCache, ReplayModel, ReplayPolicy, ReplaySharing, SharingRules};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// The name of the configured policy.
const CURRENT: &str = "current";
/// Providers that a model's name means although none is configured, with the dialects they speak.
const WELL_KNOWN: [(&str, Dialect, bool); 4] = [
    ("anthropic", Dialect::Anthropic, false),
    ("gemini", Dialect::Gemini, false),
    ("ollama", Dialect::Ollama, true),
    ("embedded", Dialect::Embedded, true),
];

/// What is in force: prices, and the candidates of each tier.
struct InForce {
    prices: PriceBook,
    tiers: Tiers,
}

#[derive(Deserialize)]
struct Tiers {
    trivial: Vec<String>,
    standard: Vec<String>,
    complex: Vec<String>,
}

#[derive(Deserialize)]
struct Catalog {
    version: String,
    prices: Vec<ModelPrice>,
}

/// Resolves the policies in the order in which they were named.
pub(super) async fn resolve(
    desk: &Desk,
    names: &[String],
    named_models: &[String],
) -> Result<Vec<ReplayPolicy>, Failure> {
    let catalog: Catalog = desk.client.get("/api/prices").await?;
    let prices = PriceBook::new(PriceCatalog { version: catalog.version, prices: catalog.prices });
    let in_force = InForce { prices, tiers: desk.client.get("/api/models").await? };
    let one = |name: &String| match name.as_str() {
        CURRENT => policy(CURRENT, &desk.config, &in_force, named_models),
        file => {
            let config = read(desk, Path::new(file))?;
            let name = Path::new(file).file_stem().map_or(file.into(), |stem| stem.to_string_lossy());
            policy(&name, &config, &in_force, named_models)
        }
    };
    names.iter().map(one).collect()
}

/// The configuration with a file laid over it.
fn read(desk: &Desk, file: &Path) -> Result<Config, Failure> {
    if !file.is_file() {
        let shown = file.display();
        return Err(Failure::plain(
            "replay.policy",
            format!("`{shown}` is no policy: there is no such file"),
            format!("`{shown}`은(는) 정책이 아닙니다: 그런 파일이 없습니다"),
        )
        .with_hint(
            "`current`, or a file with the keys of nunchi.toml.",
            "`current`이거나 nunchi.toml과 같은 항목을 담은 파일이어야 합니다.",
        ));
    }
    let variables: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let environment = variables.get("NUNCHI_ENV").map(String::as_str);
    let mut layers = Layers::read(desk.home.path(), environment, variables.clone().into_iter());
    layers.overlay(file);
    Ok(Config::resolve(layers, &variables)?)
}

fn policy(
    name: &str,
    config: &Config,
    in_force: &InForce,
    named_models: &[String],
) -> Result<ReplayPolicy, Failure> {
    let own_or = |own: &[String], usual: &[String]| -> Vec<ReplayModel> {
        let names = if own.is_empty() { usual } else { own };
        names.iter().filter_map(|name| model(config, in_force, name)).collect()
    };
    let (own, usual) = (&config.tiers, &in_force.tiers);
    let tiers = BTreeMap::from([
        (Tier::Trivial, own_or(&own.trivial, &usual.trivial)),
        (Tier::Standard, own_or(&own.standard, &usual.standard)),
        (Tier::Complex, own_or(&own.complex, &usual.complex)),
    ]);
    let dearest = || tiers[&Tier::Complex].iter().find(|model| !model.local).cloned();
    let baseline = match &config.baseline {
        Some(name) => model(config, in_force, name),
        None => dearest(),
    };
    let named = named_models.iter().filter_map(|name| {
        let full = config.aliases.get(name).unwrap_or(name);
        Some((name.clone(), model(config, in_force, full)?))
    });
    Ok(ReplayPolicy {
        name: name.to_owned(),
        named: named.collect(),
        keep_named: config.replay.keep_named,
        tiers_as_labelled: config.replay.tiers == "labels",
        baseline: baseline.ok_or_else(no_baseline)?,
        tiers,
        own_rules: config.rules.clone(),
        rules: TierRules::built_in(),
        cache: config.cache.enabled.then_some(ReplayCache {
            ttl: config.cache.ttl,
            scope: config.cache.scope,
            fold_case: config.cache.fold_case,
        }),
        sharing: config.semantic.enabled.then_some(ReplaySharing {
            rules: SharingRules {
                strict: config.semantic.strict,
                across_languages: config.semantic.across_languages,
            },
            error_rate: config.semantic.error_rate,
        }),
        select_tools: config.select_tools,
        compress: config.compress.mode,
        keep_prefixes: config.replay.prefixes,
        batch: config.batch.enabled,
    })
}

/// A model by its name, if it has a price or runs on this machine.
fn model(config: &Config, in_force: &InForce, name: &str) -> Option<ReplayModel> {
    let Some((provider, model)) = name.split_once('/') else {
        let priced = in_force.prices.list().into_iter().find(|price| price.model == name)?;
        return self::model(config, in_force, &format!("{}/{name}", priced.provider));
    };
    let configured = config.providers.iter().find(|entry| entry.name == provider);
    let (dialect, local, price_from) = match configured {
        Some(entry) => (wiring::dialect(entry.kind), entry.local, entry.price_from.as_str()),
        None => {
            let known = WELL_KNOWN.iter().find(|(name, ..)| *name == provider);
            known.map_or((Dialect::OpenAiChat, false, provider), |(name, dialect, local)| {
                (*dialect, *local, *name)
            })
        }
    };
    let price = match in_force.prices.get(price_from, model) {
        Some(price) => ModelPrice::clone(&price),
        None if local => free_price(provider, model),
        None => return None,
    };
    Some(ReplayModel { name: name.to_owned(), dialect, local, price })
}

fn no_baseline() -> Failure {
    Failure::plain(
        "replay.no_baseline",
        "there is no model to count savings against",
        "절약을 견줄 기준 모델이 없습니다",
    )
    .with_hint(
        "Set `baseline` under `[tiers]`, in nunchi.toml or in the policy, to a model with a price.",
        "nunchi.toml이나 정책의 `[tiers]`에 가격이 있는 모델을 `baseline`으로 적으세요.",
    )
}
