//! A replay for people: what each policy costs and why, what that may cost in quality, and what needs no thought beside it.

use super::{Answer, Desk};
use crate::render::{grouped, local, table, usd};
use crate::workload::DEFAULT_OUTPUT;
use nunchi_core::{Lang, NanoUsd};
use nunchi_saving::{ReplayFloor, ReplayReport, WrongAmong};

/// Broken lines that are shown.
const SHOWN: usize = 10;

/// All of it.
pub(super) fn text(desk: &Desk, answer: &Answer) -> String {
    let mut parts = vec![head(desk.lang, answer), money(desk, answer), tokens(desk.lang, answer)];
    parts.push(quality(desk.lang, answer));
    parts.extend(answer.policies.iter().map(|report| floors(desk, report)));
    parts.extend(notes(desk.lang, answer));
    parts.join("\n")
}

fn head(lang: Lang, answer: &Answer) -> String {
    let (calls, file) = (grouped(answer.calls as u64), answer.file.display());
    lang.pick(format!("{calls} calls of {file}"), format!("{file}의 호출 {calls}건"))
}

fn headings<'a>(first: &'a str, answer: &'a Answer) -> Vec<String> {
    let names = answer.policies.iter().map(|report| format!(">{}", report.policy));
    std::iter::once(first.to_owned()).chain(names).collect()
}

fn rows_table(first: &str, answer: &Answer, rows: Vec<Vec<String>>) -> String {
    let headings = headings(first, answer);
    let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
    table(&headings, rows)
}

/// A row with a cell for every policy.
fn row(what: &str, answer: &Answer, cell: impl Fn(&ReplayReport) -> String) -> Vec<String> {
    std::iter::once(what.to_owned()).chain(answer.policies.iter().map(cell)).collect()
}

/// A share of an amount in percent, with one decimal.
fn percent(part: NanoUsd, whole: NanoUsd) -> String {
    let tenths = i128::from(part.0) * 1_000 / i128::from(whole.0.max(1));
    let sign = if tenths < 0 { "-" } else { "" };
    let tenths = tenths.unsigned_abs();
    format!("{sign}{}.{} %", tenths / 10, tenths % 10)
}

fn money(desk: &Desk, answer: &Answer) -> String {
    type Cause = fn(&ReplayReport) -> NanoUsd;
    let lang = desk.lang;
    let causes: [(&str, Cause); 9] = [
        (lang.pick("exact cache", "정확 캐시"), |report| report.savings.exact),
        (lang.pick("shared by meaning", "의미로 공유"), |report| report.savings.semantic),
        (lang.pick("cheaper models", "더 싼 모델"), |report| report.savings.tier),
        (lang.pick("tools not sent", "보내지 않은 도구"), |report| report.savings.other.tools),
        (lang.pick("prompt cache", "프롬프트 캐시"), |report| report.savings.other.prompt_cache),
        (lang.pick("compression", "압축"), |report| report.savings.other.compression),
        (lang.pick("batches", "배치"), |report| report.savings.other.batch),
        (lang.pick("saved in all", "절약 합계"), |report| report.savings.total()),
        (lang.pick("spent", "지출"), |report| report.savings.spent),
    ];
    let baseline = lang.pick("baseline, no cache", "기준 모델, 캐시 없음");
    let mut rows = vec![row(baseline, answer, |report| {
        format!("{} ({})", usd(report.savings.baseline), report.baseline_model)
    })];
    rows.extend(causes.iter().map(|(name, cause)| {
        row(name, answer, |report| {
            let (money, whole) = (cause(report), report.savings.baseline);
            format!("{} {:>8}", usd(money), percent(money, whole))
        })
    }));
    let won = lang.pick("spent, local", "지출, 원화");
    rows.push(row(won, answer, |report| local(report.savings.spent, &desk.config.rate.currency)));
    rows_table(lang.pick("money", "돈"), answer, rows)
}

fn tokens(lang: Lang, answer: &Answer) -> String {
    type Figure = fn(&ReplayReport) -> u64;
    let figures: [(&str, Figure); 7] = [
        (lang.pick("prompt tokens as they came", "들어온 프롬프트 토큰"), |report| {
            report.tokens.came
        }),
        (lang.pick("sent to a model", "모델에 보낸 토큰"), |report| report.tokens.sent),
        (lang.pick("of that, to this machine", "그중 이 기기로"), |report| report.tokens.local),
        (lang.pick("of that, read from prompt caches", "그중 프롬프트 캐시에서 읽음"), |report| {
            report.tokens.cached
        }),
        (lang.pick("worth, in full-price tokens", "정가로 환산한 토큰"), |report| {
            report.tokens.full_price
        }),
        (lang.pick("exact hits", "정확 적중"), |report| verdict(report, "exact")),
        (lang.pick("shared by meaning", "의미로 공유"), |report| verdict(report, "semantic")),
    ];
    let mut rows: Vec<_> =
        figures.iter().map(|(name, figure)| row(name, answer, |report| grouped(figure(report)))).collect();
    rows.push(row(lang.pick("tiers", "단계"), answer, |report| {
        let shown = report.tiers.iter().map(|(tier, calls)| format!("{tier} {calls}"));
        shown.collect::<Vec<_>>().join(", ")
    }));
    rows.push(row(lang.pick("shortened; recalls", "압축; 회상"), answer, |report| {
        format!("{}; {}", grouped(report.compressed), grouped(report.recalls))
    }));
    rows_table(lang.pick("tokens and hits", "토큰과 적중"), answer, rows)
}

fn verdict(report: &ReplayReport, name: &str) -> u64 {
    report.verdicts.get(name).copied().unwrap_or(0)
}

/// `3 of 120 (2.5 %)`, or a dash where nothing is labelled.
fn wrong(among: WrongAmong) -> String {
    among.share().map_or_else(
        || "-".to_owned(),
        |share| format!("{} / {} ({:.1} %)", grouped(among.wrong), grouped(among.labelled), share * 100.0),
    )
}

fn quality(lang: Lang, answer: &Answer) -> String {
    type Figure = fn(&ReplayReport) -> WrongAmong;
    let figures: [(&str, Figure); 6] = [
        (lang.pick("exact cache: another's answer", "정확 캐시: 다른 질문의 답"), |r| {
            r.quality.exact
        }),
        (lang.pick("shared by meaning: another's answer", "의미로 공유: 다른 질문의 답"), |r| {
            r.quality.semantic
        }),
        (lang.pick("tier: lower than needed", "단계: 필요보다 낮음"), |r| r.quality.under_routed),
        (lang.pick("tier: higher than needed", "단계: 필요보다 높음"), |r| r.quality.over_routed),
        (lang.pick("tools: the needed one left out", "도구: 필요한 것을 뺌"), |r| r.quality.tools),
        (lang.pick("answers wrong in all", "전체 틀린 답"), |r| r.quality.answers),
    ];
    let rows =
        figures.iter().map(|(name, figure)| row(name, answer, |report| wrong(figure(report)))).collect();
    let first = lang.pick("what it may cost (of the labelled)", "품질 비용 (표시가 있는 것 중)");
    rows_table(first, answer, rows)
}

fn floors(desk: &Desk, report: &ReplayReport) -> String {
    let lang = desk.lang;
    let whole = report.savings.baseline;
    let cells = |name: &str, spent: NanoUsd, under: WrongAmong, answers: WrongAmong| {
        vec![name.to_owned(), usd(spent), percent(spent, whole), wrong(under), wrong(answers)]
    };
    let own = &report.quality;
    let first = cells(&report.policy, report.savings.spent, own.under_routed, own.answers);
    let name = |floor: &ReplayFloor| match floor.name {
        "always premium" => lang.pick("always premium", "항상 최고급"),
        "always cheap" => lang.pick("always cheap", "항상 싼 모델"),
        "all local" => lang.pick("all local", "모두 로컬"),
        "random" => lang.pick("random, same shares", "무작위, 같은 비율"),
        "prompt length" => lang.pick("by prompt length, same shares", "프롬프트 길이, 같은 비율"),
        _ => lang.pick("its tiers alone", "단계 선택만"),
    };
    let others =
        report.floors.iter().map(|floor| cells(name(floor), floor.spent, floor.under_routed, floor.answers));
    let headings = lang.pick(
        ["beside it, no cache", ">USD", ">of the baseline", ">lower than needed", ">answers wrong"],
        ["견줄 정책, 캐시 없음", ">달러", ">기준 대비", ">필요보다 낮음", ">틀린 답"],
    );
    table(&headings, std::iter::once(first).chain(others))
}

fn notes(lang: Lang, answer: &Answer) -> Vec<String> {
    let mut notes = Vec::new();
    if !answer.meaning {
        notes.push(lang.pick(
            "The sentence encoder is not on this machine: rules routed, and nothing was shared by meaning. `nunchi models pull` fetches it.",
            "문장 인코더가 이 기기에 없어 규칙으로만 나누고 의미로 공유하지 않았습니다. `nunchi models pull`로 받으세요.",
        ).to_owned());
    }
    if answer.unmeasured > 0 {
        let count = grouped(answer.unmeasured as u64);
        notes.push(lang.pick(
            format!(
                "{count} calls do not say how long their answers were; {DEFAULT_OUTPUT} tokens were taken."
            ),
            format!("호출 {count}건은 답의 길이가 없어 {DEFAULT_OUTPUT}토큰으로 보았습니다."),
        ));
    }
    if answer.undated > 0 {
        let count = grouped(answer.undated as u64);
        notes.push(lang.pick(
            format!("{count} calls do not say when they were made; a minute apart was taken."),
            format!("호출 {count}건은 시각이 없어 1분 간격으로 보았습니다."),
        ));
    }
    for report in answer.policies.iter().filter(|report| !report.unpriced.is_empty()) {
        let models: Vec<_> =
            report.unpriced.iter().map(|(model, calls)| format!("{model} ({calls})")).collect();
        let (policy, models) = (&report.policy, models.join(", "));
        notes.push(lang.pick(
            format!("{policy}: without a price, and left out: {models}"),
            format!("{policy}: 가격이 없어 뺀 호출: {models}"),
        ));
    }
    notes.extend(bad_lines(lang, answer));
    notes
}

fn bad_lines(lang: Lang, answer: &Answer) -> Vec<String> {
    if answer.bad_lines.is_empty() {
        return Vec::new();
    }
    let count = grouped(answer.bad_lines.len() as u64);
    let mut lines = vec![lang.pick(
        format!("Lines that are no calls, and were left out ({count}):"),
        format!("호출이 아니어서 뺀 줄 ({count}):"),
    )];
    lines.extend(answer.bad_lines.iter().take(SHOWN).map(|bad| format!("  {}: {}", bad.line, bad.what)));
    if answer.bad_lines.len() > SHOWN {
        lines.push("  …".to_owned());
    }
    lines
}
