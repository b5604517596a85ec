//! `models`: what can be asked for, and the weights of the embedded ones.

use super::Desk;
use crate::cli::ModelsCommand;
use crate::failure::Failure;
use crate::render::{grouped, table};
use crate::weights;
use nunchi_core::ModelCard;
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Serialize, Deserialize)]
struct Known {
    models: Vec<ModelCard>,
    trivial: Vec<String>,
    standard: Vec<String>,
    complex: Vec<String>,
}

/// Runs a models command.
pub(crate) async fn models(desk: &Desk, command: &ModelsCommand) -> Result<(), Failure> {
    match command {
        ModelsCommand::List => {
            let known: Known = desk.client.get("/api/models").await?;
            let weights = weights::list(&desk.config.local)?;
            desk.show(&json!({ "known": &known, "weights": &weights }), || list(desk, &known, &weights))
        }
        ModelsCommand::Pull { id } => {
            let pulled = weights::pull(&desk.config.local, id.as_deref(), desk.lang).await?;
            desk.show(&pulled, || {
                desk.lang
                    .pick(format!("Ready: {}", pulled.join(", ")), format!("준비됨: {}", pulled.join(", ")))
            })
        }
        ModelsCommand::Rm { id } => {
            weights::remove(&desk.config.local, id)?;
            desk.show(&json!({ "removed": id }), || {
                desk.lang.pick(format!("Removed {id}."), format!("{id}을(를) 지웠습니다."))
            })
        }
    }
}

fn list(desk: &Desk, known: &Known, weights: &[weights::Shown]) -> String {
    let tier_of = |name: &str| {
        let tiers = [("trivial", &known.trivial), ("standard", &known.standard), ("complex", &known.complex)];
        let serves: Vec<_> = tiers
            .iter()
            .filter(|(_, names)| names.iter().any(|other| other == name))
            .map(|(tier, _)| *tier)
            .collect();
        serves.join(" ")
    };
    let headings = desk.lang.pick(["model", "tier", "where", ">context"], ["모델", "단계", "위치", ">문맥"]);
    let rows = known.models.iter().map(|card| {
        let name = format!("{}/{}", card.provider, card.model);
        let place = if card.local {
            desk.lang.pick("here", "이 기기")
        } else {
            desk.lang.pick("cloud", "클라우드")
        };
        vec![
            name.clone(),
            tier_of(&name),
            place.to_owned(),
            card.context_window.map(grouped).unwrap_or_default(),
        ]
    });
    let headings_weights = desk
        .lang
        .pick(["weights", "for", ">MB", "state", "licence"], ["가중치", "용도", ">MB", "상태", "라이선스"]);
    let weight_rows = weights.iter().map(|one| {
        let state = if one.present {
            desk.lang.pick("here", "있음")
        } else {
            desk.lang.pick("not fetched", "없음")
        };
        vec![
            one.id.clone(),
            one.purpose.clone(),
            (one.bytes / 1_000_000).to_string(),
            state.to_owned(),
            one.licence.clone(),
        ]
    });
    format!("{}\n{}", table(&headings, rows), table(&headings_weights, weight_rows))
}
