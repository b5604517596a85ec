//! A plan as a drawing: goals from left to right, each behind those it builds on.

use super::super::figures::usd;
use super::super::session::Session;
use super::names;
use super::run::Found;
use super::standing::{Standing, legend, of_goal};
use maud::{Markup, html};
use nunchi_core::{Lang, Plan, PlanNode};

/// A box, and the room between boxes, in pixels.
const WIDTH: i64 = 212;
const HEIGHT: i64 = 66;
const GAP: (i64, i64) = (46, 18);
/// Room around everything.
const EDGE: i64 = 6;
/// Widest line of a goal, in Latin letters.
const LINE: usize = 25;

/// The column of each goal: one behind the furthest of those it builds on.
fn columns(plan: &Plan) -> Vec<usize> {
    let mut columns: Vec<usize> = Vec::with_capacity(plan.nodes.len());
    for node in &plan.nodes {
        // Plans are sorted, so what a goal builds on was seen before it.
        let before = plan.nodes.iter().zip(&columns).filter(|(other, _)| node.after.contains(&other.id));
        columns.push(before.map(|(_, column)| column + 1).max().unwrap_or(0));
    }
    columns
}

/// The drawing.
pub(super) fn dag(session: &Session, plan: &Plan, found: &Found) -> Markup {
    let (lang, words) = (session.taste.lang, session.taste.words());
    let standings: Vec<Standing> = plan.nodes.iter().map(|node| of_goal(node, found)).collect();
    let columns = columns(plan);
    let mut filled = vec![0_i64; columns.iter().max().map_or(1, |last| last + 1)];
    let places: Vec<(i64, i64)> = columns
        .iter()
        .map(|column| {
            let row = filled[*column];
            filled[*column] += 1;
            let x = EDGE + *column as i64 * (WIDTH + GAP.0);
            (x, EDGE + row * (HEIGHT + GAP.1))
        })
        .collect();
    let rows = filled.iter().max().copied().unwrap_or(1).max(1);
    let width = 2 * EDGE + filled.len() as i64 * (WIDTH + GAP.0) - GAP.0;
    let height = 2 * EDGE + rows * (HEIGHT + GAP.1) - GAP.1;
    html! {
        div.dag tabindex="0" role="group" aria-label=(words.plan) {
            svg width=(width) height=(height) viewBox={ "0 0 " (width) " " (height) } {
                @for (node, to) in plan.nodes.iter().zip(&places) {
                    @for (_, from) in plan.nodes.iter().zip(&places).filter(|(other, _)| node.after.contains(&other.id)) {
                        path.edge d=(curve(*from, *to)) {}
                    }
                }
                @for ((node, place), standing) in plan.nodes.iter().zip(&places).zip(&standings) {
                    @let tip = tip(node, *standing, lang);
                    @match standing.href() {
                        Some(href) => { a href=(href) aria-label=(tip) { (goal(node, *place, *standing, &tip)) } }
                        None => { (goal(node, *place, *standing, &tip)) }
                    }
                }
            }
        }
        (legend(session, &standings))
    }
}

fn tip(node: &PlanNode, standing: Standing, lang: Lang) -> String {
    let mut lines = vec![node.goal.clone(), standing.stage.words(lang).to_owned()];
    if !node.done_when.is_empty() {
        lines.push(node.done_when.clone());
    }
    if !node.tools.is_empty() {
        lines.push(node.tools.join(", "));
    }
    lines.push(names::effect(lang, node.effect).0.to_owned());
    lines.extend(node.cost.map(|cost| format!("≤ {}", usd(cost))));
    lines.join(" · ")
}

fn goal(node: &PlanNode, (x, y): (i64, i64), standing: Standing, tip: &str) -> Markup {
    html! {
        g class={ "node " (standing.stage.class()) } data-tip=(tip) data-node=(node.id) {
            rect x=(x) y=(y) width=(WIDTH) height=(HEIGHT) rx="11" {}
            circle cx=(x + 15) cy=(y + 17) r="4.5" {}
            @for (line, text) in wrapped(&node.goal).iter().enumerate() {
                text x=(x + 27) y=(y + 21 + 16 * line as i64) { (text) }
            }
            @if !node.tools.is_empty() {
                text.tools x=(x + 27) y=(y + HEIGHT - 9) { (cut(&node.tools.join(", "), LINE + 3)) }
            }
        }
    }
}

/// From the right edge of one box to the left edge of another.
fn curve(from: (i64, i64), to: (i64, i64)) -> String {
    let (x1, y1, x2, y2) = (from.0 + WIDTH, from.1 + HEIGHT / 2, to.0, to.1 + HEIGHT / 2);
    let bend = (x2 - x1) / 2;
    format!("M{x1} {y1}C{} {y1} {} {y2} {x2} {y2}", x1 + bend, x2 - bend)
}

/// Letters of East Asia take the room of two.
fn room(letter: char) -> usize {
    if matches!(letter, '\u{1100}'..='\u{11FF}' | '\u{2E80}'..='\u{D7A3}' | '\u{F900}'..='\u{FAFF}' | '\u{FF00}'..='\u{FF60}')
    {
        2
    } else {
        1
    }
}

fn cut(text: &str, most: usize) -> String {
    let mut used = 0;
    for (at, letter) in text.char_indices() {
        used += room(letter);
        if used > most {
            return format!("{}…", text[..at].trim_end());
        }
    }
    text.to_owned()
}

/// A goal on at most two lines.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split_whitespace() {
        let wide: usize = word.chars().map(room).sum();
        if used > 0 && used + 1 + wide > LINE && lines.len() < 2 {
            lines.push(String::new());
            used = 0;
        }
        let gap = if used > 0 { " " } else { "" };
        if let Some(line) = lines.last_mut() {
            line.push_str(gap);
            line.push_str(word);
        }
        used += gap.len() + wide;
    }
    lines.into_iter().map(|line| cut(&line, LINE)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use nunchi_core::EffectClass;

    fn node(id: &str, after: &[&str]) -> PlanNode {
        PlanNode {
            id: id.into(),
            goal: format!("goal {id}"),
            done_when: String::new(),
            tools: Vec::new(),
            after: after.iter().map(|id| (*id).to_owned()).collect(),
            effect: EffectClass::ReadOnly,
            cost: None,
        }
    }

    #[test]
    fn a_goal_stands_behind_what_it_builds_on() {
        let plan = Plan {
            nodes: vec![
                node("a", &[]),
                node("b", &[]),
                node("c", &["a", "b"]),
                node("d", &["c", "a"]),
                node("e", &["b"]),
            ],
        };
        assert_eq!(columns(&plan), [0, 0, 1, 2, 1]);
        assert_eq!(curve((0, 0), (242, 84)), "M212 33C227 33 227 117 242 117");
    }

    #[test]
    fn goals_are_wrapped_by_their_width() {
        assert_eq!(wrapped("short"), ["short"]);
        assert_eq!(
            wrapped("Read every file in the folder and list what changed"),
            ["Read every file in the", "folder and list what chan…"]
        );
        assert_eq!(
            wrapped("보고서를 작성하여 팀 전체에 공유하고 확인"),
            ["보고서를 작성하여 팀", "전체에 공유하고 확인"]
        );
        assert_eq!(wrapped(""), [""]);
    }
}
