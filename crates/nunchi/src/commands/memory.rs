//! `memory`: what is remembered.

use super::{Desk, escaped};
use crate::cli::{FactStateArg, MemoryCommand};
use crate::client::Pieces;
use crate::failure::Failure;
use crate::render::{grouped, table};
use futures_util::StreamExt;
use http::Method;
use nunchi_core::{Fact, FactKind, FactState, Label, MemoryFigures, RankedFact, Remembered};
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;

/// Characters of a text in a table.
const SHOWN: usize = 80;
/// Digits of an id that are shown in a table: its random end, as ids made together begin alike.
const TAIL: usize = 8;

/// Runs a memory command.
pub(crate) async fn memory(desk: &Desk, command: &MemoryCommand) -> Result<(), Failure> {
    match command {
        MemoryCommand::List { kind, state, session, limit } => {
            let mut query = vec![format!("limit={limit}")];
            query.extend(kind.map(|kind| format!("kind={}", kind.as_str())));
            query.push(format!("state={}", state.unwrap_or(FactStateArg::Active).as_str()));
            query.extend(session.as_ref().map(|session| format!("session={}", escaped(session))));
            let facts: Vec<Fact> = desk.client.get(&format!("/api/memory?{}", query.join("&"))).await?;
            desk.show(&facts, || list(desk, &facts))
        }
        MemoryCommand::Search { query, kind, limit } => {
            let kind = kind.map(|kind| format!("&kind={}", kind.as_str())).unwrap_or_default();
            let path = format!("/api/memory/search?q={}&limit={limit}{kind}", escaped(query));
            let found: Vec<RankedFact> = desk.client.get(&path).await?;
            desk.show(&found, || ranked(desk, &found))
        }
        MemoryCommand::Show { id } => {
            let fact = find(desk, id).await?;
            desk.show(&fact, || show(desk, &fact))
        }
        MemoryCommand::Add { text, about } => {
            let body = json!({ "text": text, "topic": about });
            let made: Remembered = desk.client.json(Method::POST, "/api/memory", &body).await?;
            desk.show(&made, || added(desk, &made))
        }
        MemoryCommand::Edit { id, text } => {
            let body = json!({ "text": text });
            let path = path(&find(desk, id).await?, "");
            let fact: Fact = desk.client.json(Method::PUT, &path, &body).await?;
            desk.show(&fact, || show(desk, &fact))
        }
        MemoryCommand::Forget { id, erase: false } => {
            let fact: Fact = desk.client.delete(&path(&find(desk, id).await?, "")).await?;
            let said = (
                "Forgotten; `nunchi memory restore` brings it back within 30 days",
                "잊었습니다. 30일 안에 `nunchi memory restore`로 되살릴 수 있습니다",
            );
            desk.show(&fact, || changed(desk, &fact, said))
        }
        MemoryCommand::Forget { id, erase: true } => {
            let fact = find(desk, id).await?;
            let gone: Value = desk.client.delete(&path(&fact, "?erase=true")).await?;
            desk.show(&gone, || changed(desk, &fact, ("Erased for good", "완전히 지웠습니다")))
        }
        MemoryCommand::Veto { id } => {
            turn(desk, id, "/veto", ("It will never be learned again", "다시 배우지 않습니다")).await
        }
        MemoryCommand::Restore { id } => {
            turn(desk, id, "/restore", ("It holds again", "다시 유효합니다")).await
        }
        MemoryCommand::Export { file } => export(desk, file.as_deref()).await,
        MemoryCommand::Stats => {
            let figures: MemoryFigures = desk.client.get("/api/memory/stats").await?;
            desk.show(&figures, || stats(desk, &figures))
        }
    }
}

/// Changes what becomes of a fact.
async fn turn(desk: &Desk, id: &str, end: &str, said: (&str, &str)) -> Result<(), Failure> {
    let path = path(&find(desk, id).await?, end);
    let fact: Fact = desk.client.json(Method::POST, &path, &Value::Null).await?;
    desk.show(&fact, || changed(desk, &fact, said))
}

fn path(fact: &Fact, end: &str) -> String {
    format!("/api/memory/{}{end}", fact.id)
}

/// The fact of an id, or the one whose id ends so.
async fn find(desk: &Desk, id: &str) -> Result<Fact, Failure> {
    let plain = id.replace('-', "");
    if plain.len() == 32 {
        return desk.client.get(&format!("/api/memory/{}", escaped(&plain))).await;
    }
    let mut found: Vec<Fact> = Vec::new();
    let mut before = String::new();
    loop {
        let page: Vec<Fact> = desk.client.get(&format!("/api/memory?limit=1000{before}")).await?;
        let Some(last) = page.last() else { break };
        before = format!("&before={}", last.id);
        found.extend(
            page.into_iter().filter(|fact| !plain.is_empty() && fact.id.to_string().ends_with(&plain)),
        );
    }
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(Failure::plain(
            "memory.unknown",
            format!("there is no fact `{id}`"),
            format!("사실 `{id}`이(가) 없습니다"),
        )
        .with_hint("`nunchi memory list` shows them.", "`nunchi memory list`로 확인하세요.")),
        _ => Err(Failure::plain(
            "memory.ambiguous",
            format!("`{id}` fits several facts"),
            format!("`{id}`에 맞는 사실이 여럿입니다"),
        )
        .with_hint("Use the whole id; --json shows it.", "전체 id를 쓰세요. --json으로 볼 수 있습니다.")),
    }
}

/// Writes everything as it comes, one JSON object a line, to a file or to standard output.
async fn export(desk: &Desk, file: Option<&Path>) -> Result<(), Failure> {
    let (_, mut pieces): (_, Pieces) =
        desk.client.send(Method::GET, "/api/memory/export", &Value::Null, &[]).await?;
    let mut out: Box<dyn Write + Send> = match file {
        Some(path) => {
            let made = std::fs::File::create(path);
            Box::new(made.map_err(|error| Failure::system(&path.display().to_string(), error))?)
        }
        None => Box::new(std::io::stdout()),
    };
    while let Some(piece) = pieces.next().await {
        out.write_all(&piece?).map_err(|error| Failure::system("the export", error))?;
    }
    out.flush().map_err(|error| Failure::system("the export", error))
}

fn tail(fact: &Fact) -> String {
    let id = fact.id.to_string();
    id.get(id.len().saturating_sub(TAIL)..).unwrap_or(&id).to_owned()
}

fn cut(text: &str) -> String {
    let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match one_line.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", &one_line[..at]),
        None => one_line,
    }
}

fn whose(desk: &Desk, label: Label) -> &'static str {
    match label {
        Label::Owner => desk.lang.pick("owner", "소유자"),
        Label::Tool => desk.lang.pick("tool", "도구"),
        Label::Stranger => desk.lang.pick("stranger", "외부인"),
    }
}

fn day(desk: &Desk, fact: &Fact) -> String {
    fact.changed.to_zoned(desk.config.time_zone.clone()).strftime("%Y-%m-%d").to_string()
}

fn list(desk: &Desk, facts: &[Fact]) -> String {
    if facts.is_empty() {
        return desk.lang.pick("Nothing is remembered.", "기억하는 것이 없습니다.").to_owned();
    }
    let headings =
        desk.lang.pick(["id", "text", "from", "used", "changed"], ["id", "내용", "출처", "사용", "바뀐 날"]);
    let rows = facts.iter().map(|fact| {
        let label = whose(desk, fact.label).to_owned();
        vec![tail(fact), cut(&fact.text), label, grouped(u64::from(fact.uses)), day(desk, fact)]
    });
    table(&headings, rows)
}

fn ranked(desk: &Desk, found: &[RankedFact]) -> String {
    if found.is_empty() {
        return desk.lang.pick("Nothing that fits is remembered.", "맞는 기억이 없습니다.").to_owned();
    }
    let headings = desk.lang.pick(
        ["id", "text", "from", "words", "meaning", "changed"],
        ["id", "내용", "출처", "낱말", "의미", "바뀐 날"],
    );
    let rows = found.iter().map(|one| {
        let label = whose(desk, one.fact.label).to_owned();
        let [words, meaning] = [one.coverage, one.likeness].map(|share| format!("{:.0} %", share * 100.0));
        vec![tail(&one.fact), cut(&one.fact.text), label, words, meaning, day(desk, &one.fact)]
    });
    table(&headings, rows)
}

fn show(desk: &Desk, fact: &Fact) -> String {
    let lang = desk.lang;
    let state = match fact.state {
        FactState::Active => lang.pick("holds", "유효"),
        FactState::Superseded => lang.pick("superseded", "대체됨"),
        FactState::Vetoed => lang.pick("vetoed", "금지됨"),
        FactState::Forgotten => lang.pick("forgotten", "잊음"),
    };
    let kind = match fact.kind {
        FactKind::Fact => lang.pick("fact", "사실"),
        FactKind::Turn => lang.pick("said", "발언"),
    };
    let mut lines = vec![
        fact.text.clone(),
        format!("id: {}", fact.id),
        format!("{kind}, {state}, {}", whose(desk, fact.label)),
    ];
    let named = |name: (&str, &str), value: String| format!("{}: {value}", lang.pick(name.0, name.1));
    lines.extend(fact.topic.clone().map(|topic| named(("about", "주제"), topic)));
    lines.extend(fact.source.session.clone().map(|session| named(("conversation", "대화"), session)));
    lines.extend(fact.source.run.map(|run| named(("run", "실행"), run.to_string())));
    lines.extend(fact.superseded_by.map(|by| named(("superseded by", "대체한 사실"), by.to_string())));
    lines.push(named(("learned", "배운 때"), fact.created.to_string()));
    lines.extend(fact.valid_until.map(|until| named(("held until", "유효 기한"), until.to_string())));
    lines.push(named(("used", "사용"), format!("{} ({})", fact.uses, fact.last_used)));
    lines.join("\n")
}

fn added(desk: &Desk, made: &Remembered) -> String {
    let mut lines = vec![if made.known {
        desk.lang.pick("Known already.", "이미 알고 있습니다.").to_owned()
    } else {
        desk.lang.pick("Remembered.", "기억했습니다.").to_owned()
    }];
    if !made.superseded.is_empty() {
        let count = made.superseded.len();
        lines.push(desk.lang.pick(
            format!("It takes the place of {count} fact(s)."),
            format!("사실 {count}개를 대체합니다."),
        ));
    }
    lines.push(show(desk, &made.fact));
    lines.join("\n")
}

fn changed(desk: &Desk, fact: &Fact, said: (&str, &str)) -> String {
    format!("{}: {}", desk.lang.pick(said.0, said.1), cut(&fact.text))
}

fn stats(desk: &Desk, figures: &MemoryFigures) -> String {
    let headings = desk.lang.pick(["what", "count"], ["항목", "개수"]);
    let rows = [
        (("facts", "사실"), figures.facts),
        (("said in conversations", "대화 발언"), figures.turns),
        (("superseded", "대체됨"), figures.superseded),
        (("vetoed", "금지됨"), figures.vetoed),
        (("forgotten", "잊음"), figures.forgotten),
        (("bytes of text", "글 바이트"), figures.bytes),
    ];
    let rows =
        rows.into_iter().map(|((en, ko), count)| vec![desk.lang.pick(en, ko).to_owned(), grouped(count)]);
    table(&headings, rows)
}
