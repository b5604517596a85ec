//! Skills as cards: each with its catalog line, about how many tokens it costs, and what is wrong with it.

use nunchi_api::{SkillCard, SkillCardParam, SkillCardProblem, SkillShelf};
use nunchi_core::{BoxFuture, Lang, StorageError, rough_tokens};
use nunchi_tools::{FoundSkill, SkillCost, SkillOrigin, SkillProblem, SkillRegistry, catalog_line};

/// The folders of skills, read anew each time.
pub(crate) struct FolderShelf(pub(crate) SkillRegistry);

impl SkillShelf for FolderShelf {
    fn skills(&self) -> BoxFuture<'_, Result<Vec<SkillCard>, StorageError>> {
        let registry = self.0.clone();
        Box::pin(async move {
            let found = tokio::task::spawn_blocking(move || registry.all()).await;
            let found = found.map_err(|error| StorageError::Other(format!("skills: {error}")))?;
            Ok(found.into_iter().map(card).collect())
        })
    }
}

fn card(found: FoundSkill) -> SkillCard {
    let usable = found.skill.is_some() && !found.shadowed;
    let catalog = usable.then(|| catalog_line(&found)).flatten();
    let problem = |problem: &SkillProblem| SkillCardProblem {
        message: problem.line(Lang::En),
        message_ko: problem.line(Lang::Ko),
        severe: problem.severe,
    };
    let problems = found.problems.iter().map(problem).collect();
    let origin = match found.origin {
        SkillOrigin::Home => "home",
        SkillOrigin::Project => "project",
        SkillOrigin::Pack => "pack",
    };
    let skill = found.skill.unwrap_or_default();
    let cost = match skill.cost {
        SkillCost::Low => "low",
        SkillCost::Medium => "medium",
        SkillCost::High => "high",
    };
    let params = skill.params.into_iter().map(|param| SkillCardParam {
        name: param.name,
        default: param.default,
        description: param.description,
    });
    SkillCard {
        name: found.name,
        description: skill.description,
        origin: origin.into(),
        source: found.source,
        label: found.label,
        usable,
        shadowed: found.shadowed,
        catalog_tokens: catalog.as_deref().map_or(0, rough_tokens),
        catalog,
        body_tokens: rough_tokens(&skill.body),
        group: skill.group,
        keywords: skill.keywords,
        intents: skill.intents,
        cost: cost.into(),
        params: params.collect(),
        allowed_tools: skill.allowed_tools,
        problems,
        body: skill.body,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nunchi_tools::SkillPlace;

    #[tokio::test]
    async fn usable_and_broken_skills_are_listed() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            (
                "report",
                "---\nname: report\ndescription: Writes the report.\nmetadata:\n  nunchi-cost: low\n  nunchi-group: writing\n---\n\nRead, then write.\n",
            ),
            ("broken", "no front matter"),
        ] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
            std::fs::write(folder.path().join(name).join("SKILL.md"), text).unwrap();
        }
        let place = SkillPlace { folder: folder.path().to_owned(), origin: SkillOrigin::Home };
        let cards = FolderShelf(SkillRegistry::new(vec![place])).skills().await.unwrap();
        let [broken, report] = cards.as_slice() else { panic!("{cards:?}") };
        assert!(!broken.usable && broken.catalog.is_none() && broken.catalog_tokens == 0);
        assert!(broken.problems[0].severe && broken.problems[0].message_ko.contains("머리말"));
        assert!(report.usable && report.problems.is_empty());
        assert_eq!(report.catalog.as_deref(), Some("- report: Writes the report."));
        assert_eq!((report.catalog_tokens, report.cost.as_str()), (10, "low"));
        assert_eq!((report.group.as_deref(), report.body.as_str()), (Some("writing"), "Read, then write."));
    }
}
