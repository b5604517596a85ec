//! `prices`: the catalog, the owner's own lines, imports.

use super::Desk;
use crate::cli::{PriceRates, PricesCommand};
use crate::failure::Failure;
use crate::prices::{PriceLine, read_any, read_prices, usd_per_million, write_prices};
use crate::render::{grouped, table};
use crate::wiring::price_catalog;
use http::Method;
use nunchi_core::{Lang, ModelPrice, NanoUsd, Rates, ServiceTier};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::path::Path;

#[derive(Serialize, Deserialize)]
struct Catalog {
    version: String,
    prices: Vec<ModelPrice>,
}

/// Fields of a price that are amounts, most of them for a million tokens.
const RATES: [&str; 8] =
    ["input", "output", "cache_read", "cache_write_5m", "cache_write_1h", "reasoning", "tool_use", "request"];

/// Runs a prices command.
pub(crate) async fn prices(desk: &Desk, command: &PricesCommand) -> Result<(), Failure> {
    match command {
        PricesCommand::List { provider } => {
            let mut catalog: Catalog = desk.client.get("/api/prices").await?;
            catalog
                .prices
                .retain(|price| provider.as_ref().is_none_or(|provider| price.provider == *provider));
            desk.show_money(&catalog, &RATES, || list(desk, &catalog))
        }
        PricesCommand::Show { model } => {
            let mut catalog: Catalog = desk.client.get("/api/prices").await?;
            catalog.prices.retain(|price| {
                price.model == *model || format!("{}/{}", price.provider, price.model) == *model
            });
            if catalog.prices.is_empty() {
                return Err(Failure::plain(
                    "price.unknown",
                    format!("`{model}` has no price"),
                    format!("`{model}`의 가격이 없습니다"),
                )
                .with_hint(
                    "`nunchi prices set PROVIDER/MODEL --input USD --output USD` sets one.",
                    "`nunchi prices set PROVIDER/MODEL --input USD --output USD`로 정하세요.",
                ));
            }
            desk.show_money(&catalog.prices, &RATES, || {
                let more: Vec<_> =
                    catalog.prices.iter().flat_map(|price| conditions(desk.lang, price)).collect();
                [vec![list(desk, &catalog)], more].concat().join("\n")
            })
        }
        PricesCommand::Set { model, rates } => {
            keep(desk, vec![line(model, rates)?], "own").await?;
            desk.show(&json!({ "set": model }), || {
                desk.lang.pick(format!("{model} has its price."), format!("{model}의 가격을 정했습니다."))
            })
        }
        PricesCommand::Import { file } => import(desk, file).await,
    }
}

/// What the flags say of a model's price.
fn line(model: &str, rates: &PriceRates) -> Result<PriceLine, Failure> {
    let (provider, name) = model.split_once('/').ok_or_else(|| {
        Failure::plain(
            "price.model",
            format!("`{model}` must be PROVIDER/MODEL"),
            format!("`{model}`은(는) 제공자/모델이어야 합니다"),
        )
    })?;
    let or_none = |text: &Option<String>| text.as_deref().map(checked).transpose();
    Ok(PriceLine {
        provider: provider.to_owned(),
        model: name.to_owned(),
        input: checked(&rates.input)?,
        output: checked(&rates.output)?,
        cache_read: or_none(&rates.cache_read)?,
        cache_write: or_none(&rates.cache_write)?,
        flex_input: or_none(&rates.flex_input)?,
        flex_output: or_none(&rates.flex_output)?,
        flex_cache_read: or_none(&rates.flex_cache_read)?,
        flex_cache_write: or_none(&rates.flex_cache_write)?,
        priority_input: or_none(&rates.priority_input)?,
        priority_output: or_none(&rates.priority_output)?,
        priority_cache_read: or_none(&rates.priority_cache_read)?,
        priority_cache_write: or_none(&rates.priority_cache_write)?,
        above: rates.above,
        above_input: or_none(&rates.above_input)?,
        above_output: or_none(&rates.above_output)?,
        tool_use: or_none(&rates.tool_use)?,
        request: or_none(&rates.request)?,
        ..PriceLine::default()
    })
}

fn checked(text: &str) -> Result<String, Failure> {
    match usd_per_million(text) {
        Some(_) => Ok(text.trim().trim_start_matches('$').to_owned()),
        None => Err(Failure::plain(
            "price.invalid",
            format!("`{text}` is no price"),
            format!("`{text}`은(는) 가격이 아닙니다"),
        )
        .with_hint("Dollars per million tokens, such as 0.25.", "백만 토큰당 달러, 예: 0.25")),
    }
}

/// Writes lines to the home folder and puts them in force, each over what was known of its model.
async fn keep(desk: &Desk, lines: Vec<PriceLine>, version: &str) -> Result<(), Failure> {
    let path = desk.home.file("prices.json");
    let invalid = |text: String| Failure::plain("price.file", text.clone(), text);
    let mut file = read_prices(&path).map_err(invalid)?;
    let models: HashSet<_> = lines.iter().map(|line| (line.provider.clone(), line.model.clone())).collect();
    lines.into_iter().for_each(|line| file.lay(line));
    file.version = version.to_owned();
    let mut prices = price_catalog(&desk.home, &desk.config, &file).map_err(invalid)?.prices;
    prices.retain(|price| models.contains(&(price.provider.clone(), price.model.clone())));
    write_prices(&path, &file).map_err(invalid)?;
    let _count: usize = desk.client.json(Method::PUT, "/api/prices", &prices).await?;
    Ok(())
}

async fn import(desk: &Desk, path: &Path) -> Result<(), Failure> {
    let text =
        std::fs::read_to_string(path).map_err(|error| Failure::system(&path.display().to_string(), error))?;
    let imported = read_any(&text).map_err(|error| {
        let what = format!("{}: {error}", path.display());
        Failure::plain("price.file", what.clone(), what).with_hint(
            "A LiteLLM price file, or one of ours, is expected.",
            "LiteLLM 가격 파일이나 우리 형식의 파일이어야 합니다.",
        )
    })?;
    let (taken, skipped) = (imported.lines.len(), imported.skipped.values().sum::<usize>());
    let unread = imported.unread;
    let version = format!("import {}", jiff::Zoned::now().date());
    keep(desk, imported.lines, &version).await?;
    let value: Value = json!({ "taken": taken, "left_out": imported.skipped, "not_read": unread });
    desk.show(&value, || {
        let reasons: Vec<_> = imported
            .skipped
            .iter()
            .map(|(reason, count)| format!("{count} {}", reason_in(desk.lang, reason)))
            .collect();
        let mut told = desk.lang.pick(
            format!("Took {taken} prices; left out {skipped} ({}).", reasons.join(", ")),
            format!("가격 {taken}개를 받았고 {skipped}개를 뺐습니다({}).", reasons.join(", ")),
        );
        if !unread.is_empty() {
            told.push('\n');
            told.push_str(
                desk.lang.pick(
                    "Prices of the models taken that were not read:",
                    "받은 모델의 가격 중 읽지 못한 것:",
                ),
            );
            unread.iter().for_each(|(field, count)| told.push_str(&format!("\n  {count} {field}")));
        }
        told
    })
}

/// Why an entry of a file was left out.
fn reason_in(lang: Lang, reason: &str) -> &str {
    let korean = match reason {
        "other provider" => "다른 제공자",
        "not text" => "글 모델이 아님",
        "no price" => "가격 없음",
        "no number" => "숫자가 아님",
        "not readable" => "읽을 수 없음",
        other => other,
    };
    lang.pick(reason, korean)
}

fn list(desk: &Desk, catalog: &Catalog) -> String {
    let headings = desk.lang.pick(
        [
            "model",
            ">input",
            ">output",
            ">cache read",
            ">cache write",
            ">batch in",
            ">batch out",
            ">flex in/out",
            ">priority in/out",
            ">context",
        ],
        [
            "모델",
            ">입력",
            ">출력",
            ">캐시 읽기",
            ">캐시 쓰기",
            ">배치 입력",
            ">배치 출력",
            ">flex 입력/출력",
            ">priority 입력/출력",
            ">문맥",
        ],
    );
    let money = |rate: NanoUsd| rate.to_string();
    let pair = |rates: Option<Rates>| {
        rates.map(|rates| format!("{}/{}", rates.input, rates.output)).unwrap_or_default()
    };
    let rows = catalog.prices.iter().map(|price| {
        vec![
            format!("{}/{}", price.provider, price.model),
            money(price.rates.input),
            money(price.rates.output),
            money(price.rates.cache_read),
            money(price.rates.cache_write_5m),
            price.batch.map(|rates| money(rates.input)).unwrap_or_default(),
            price.batch.map(|rates| money(rates.output)).unwrap_or_default(),
            pair(price.flex),
            pair(price.priority),
            price.context_window.map(grouped).unwrap_or_default(),
        ]
    });
    let note = desk.lang.pick("dollars per million tokens; catalog", "백만 토큰당 달러, 목록");
    format!("{}\n{note} {}", table(&headings, rows), catalog.version)
}

/// What the table has no column for: rates of long prompts, the cache in service tiers, and what is charged by the piece.
fn conditions(lang: Lang, price: &ModelPrice) -> Vec<String> {
    let tiers = price.context_tiers.iter().map(|tier| {
        let (tokens, rates) = (grouped(tier.above_prompt_tokens), tier.rates);
        lang.pick(
            format!("prompts above {tokens} tokens: input {}, output {}", rates.input, rates.output),
            format!("{tokens} 토큰을 넘는 프롬프트: 입력 {}, 출력 {}", rates.input, rates.output),
        )
    });
    let priced = [(ServiceTier::Flex, price.flex), (ServiceTier::Priority, price.priority)];
    let services = priced.into_iter().filter_map(|(tier, rates)| Some((tier.word(), rates?)));
    let services = services.map(|(word, rates)| {
        let (input, output) = (rates.input, rates.output);
        let (read, write) = (rates.cache_read, rates.cache_write_5m);
        lang.pick(
            format!(
                "service tier {word}: input {input}, output {output}, cache read {read}, cache write {write}"
            ),
            format!("{word} 서비스 등급: 입력 {input}, 출력 {output}, 캐시 읽기 {read}, 캐시 쓰기 {write}"),
        )
    });
    let fees = [
        (lang.pick("each use of a tool, such as a search", "검색 등 도구를 한 번 쓸 때"), price.tool_use),
        (lang.pick("each request", "요청 하나마다"), price.request),
    ];
    let fees = fees.into_iter().filter(|(_, fee)| *fee > NanoUsd::ZERO);
    let lines = tiers.chain(services).chain(fees.map(|(what, fee)| format!("{what}: ${fee}")));
    lines.map(|line| format!("{}/{}: {line}", price.provider, price.model)).collect()
}
