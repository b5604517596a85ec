//! Skills: which there are, what each costs in a prompt, and what is wrong with it.

use super::guard::{Admin, Refused};
use super::read::Path;
use crate::skill_card::SkillCard;
use axum::Json;
use nunchi_core::StorageError;

/// `GET /api/skills`
pub(crate) async fn list(admin: Admin) -> Result<Json<Vec<SkillCard>>, Refused> {
    admin.services.skills.skills().await.map(Json).map_err(|error| admin.storage(&error))
}

/// `GET /api/skills/{name}`: the one that is used, or else the first of that name.
pub(crate) async fn show(admin: Admin, Path(name): Path<String>) -> Result<Json<SkillCard>, Refused> {
    let cards = admin.services.skills.skills().await.map_err(|error| admin.storage(&error))?;
    let found = cards.into_iter().filter(|card| card.name == name).max_by_key(|card| card.usable);
    found.map(Json).ok_or_else(|| admin.storage(&StorageError::NotFound(format!("skill {name}"))))
}
