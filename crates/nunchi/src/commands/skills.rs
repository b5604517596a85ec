//! `skills`: what is in the folders of skills, and what is put into them.

use super::{print_json, print_line};
use crate::cli::SkillsCommand;
use crate::failure::Failure;
use crate::home::Home;
use crate::render::table;
use crate::toolbox::skill_registry;
use nunchi_core::{Label, Lang};
use nunchi_tools::{FoundSkill, SkillError, SkillOrigin, SkillProblem, add_skill, new_skill, read_skill};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Runs a skills command that needs nothing but files.
pub(crate) fn skills(home: &Home, command: &SkillsCommand, lang: Lang, as_json: bool) -> Result<(), Failure> {
    let mine = home.file("skills");
    match command {
        SkillsCommand::List => list(&skill_registry(home).all(), lang, as_json),
        SkillsCommand::Show { name } => show(home, name, lang, as_json),
        SkillsCommand::New { name, description } => {
            let quoted =
                serde_json::to_string(description).map_err(|error| Failure::system("JSON", error))?;
            let text = format!("---\nname: {name}\ndescription: {quoted}\n---\n\n# {name}\n\n1. \n");
            made(new_skill(&mine, name, &text), lang, as_json)
        }
        SkillsCommand::Add { folder, trust } => made(add_skill(&mine, folder, *trust), lang, as_json),
        SkillsCommand::Validate { folder } => validate(folder, lang, as_json),
        SkillsCommand::Distill { .. } => Ok(()),
    }
}

fn made(done: Result<PathBuf, SkillError>, lang: Lang, as_json: bool) -> Result<(), Failure> {
    let folder = done.map_err(|error| Failure::Explained(Box::new(error)))?;
    let path = folder.join("SKILL.md").display().to_string();
    if as_json {
        return print_json(&json!({ "path": path }));
    }
    print_line(&lang.pick(format!("written: {path}"), format!("만들었습니다: {path}")))
}

fn list(found: &[FoundSkill], lang: Lang, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return print_json(&json!({ "skills": found }));
    }
    if found.is_empty() {
        return print_line(lang.pick(
            "no skills yet: `nunchi skills new NAME`",
            "아직 스킬이 없습니다: `nunchi skills new 이름`",
        ));
    }
    let headings = lang.pick(["name", "from", "trust", "description"], ["이름", "위치", "신뢰", "설명"]);
    let rows = found.iter().map(|found| {
        let about = match (&found.skill, found.shadowed) {
            (_, true) => {
                lang.pick("(another of this name is used)", "(같은 이름의 다른 스킬이 쓰입니다)").to_owned()
            }
            (Some(skill), _) => skill.description.chars().take(80).collect(),
            (None, _) => found
                .problems
                .iter()
                .filter(|problem| problem.severe)
                .map(|problem| problem.line(lang))
                .take(1)
                .collect(),
        };
        vec![found.name.clone(), origin(found, lang), trust(found, lang).to_owned(), about]
    });
    print_line(&table(&headings, rows))
}

fn origin(found: &FoundSkill, lang: Lang) -> String {
    let place = match found.origin {
        SkillOrigin::Home => lang.pick("home", "홈"),
        SkillOrigin::Project => lang.pick("project", "프로젝트"),
        SkillOrigin::Pack => lang.pick("pack", "팩"),
    };
    found.source.as_ref().map_or_else(|| place.to_owned(), |source| format!("{place} ← {source}"))
}

fn trust(found: &FoundSkill, lang: Lang) -> &'static str {
    if found.label == Label::Stranger {
        lang.pick("stranger's", "낯선 글")
    } else {
        lang.pick("yours", "내 것")
    }
}

fn show(home: &Home, name: &str, lang: Lang, as_json: bool) -> Result<(), Failure> {
    let all = skill_registry(home).all();
    let found = all.iter().find(|found| found.name == name && !found.shadowed).ok_or_else(|| {
        Failure::plain(
            "skill.unknown",
            format!("there is no skill `{name}`"),
            format!("`{name}`라는 스킬이 없습니다"),
        )
        .with_hint("`nunchi skills list` shows them.", "`nunchi skills list`로 볼 수 있습니다.")
    })?;
    if as_json {
        return print_json(found);
    }
    let Some(skill) = &found.skill else { return print_line(&lines(&found.problems, lang)) };
    let (from, trust) = (origin(found, lang), trust(found, lang));
    let params: Vec<_> = skill.params.iter().map(|param| param.name.as_str()).collect();
    let head = lang.pick(
        format!("{name} ({from}, {trust})\nparameters: {}", params.join(", ")),
        format!("{name} ({from}, {trust})\n매개변수: {}", params.join(", ")),
    );
    print_line(&format!("{head}\n\n{}\n\n{}", skill.description, skill.body))
}

fn validate(folder: &Path, lang: Lang, as_json: bool) -> Result<(), Failure> {
    let named = |error: std::io::Error| Failure::system(&folder.display().to_string(), error);
    let folder = folder.canonicalize().map_err(named)?;
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let text = super::flow::text_of(&folder.join("SKILL.md")).map_err(named)?;
    let (skill, problems) = read_skill(name, &text);
    if skill.is_none() {
        return Err(Failure::Explained(Box::new(SkillError::Broken(problems))));
    }
    if as_json {
        return print_json(&json!({ "ok": true, "problems": problems }));
    }
    let good = lang.pick("it is a skill", "올바른 스킬입니다").to_owned();
    print_line(&if problems.is_empty() { good } else { format!("{good}\n{}", lines(&problems, lang)) })
}

fn lines(problems: &[SkillProblem], lang: Lang) -> String {
    problems.iter().map(|problem| problem.line(lang)).collect::<Vec<_>>().join("\n")
}
