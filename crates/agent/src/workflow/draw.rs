//! Draws a workflow as SVG: layers from top to bottom, the fewest crossings that a few sweeps find, colours by state.

use super::graph::{Edge, Node, NodeWork, When, Workflow};
use super::progress::{EdgeStage, NodeStage, Progress};
use nunchi_core::Lang;
use std::fmt::Write;

const NODE_HEIGHT: i32 = 44;
const LAYER_GAP: i32 = 48;
const NODE_GAP: i32 = 28;
const MARGIN: i32 = 24;
/// Sweeps up and down in search of fewer crossings.
const SWEEPS: usize = 8;
/// Longest label, in columns.
const MOST_COLUMNS: usize = 28;
/// Columns of the longest stage with what stands before it.
const STAGE_COLUMNS: usize = 17;

/// A place in a layer: a node, or a bend of an edge that passes the layer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Slot {
    Node(usize),
    Bend(usize),
}

struct Layout {
    layers: Vec<Vec<Slot>>,
    layer_of: Vec<usize>,
    /// The middle of every slot, by layer.
    middles: Vec<Vec<i32>>,
    widths: Vec<i32>,
    width: i32,
}

/// What a page says of a node beyond its stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeMark {
    /// The class of its shape, for a style sheet.
    pub class: &'static str,
    /// Where it stands, for people.
    pub words: &'static str,
    /// Where it leads when it is chosen.
    pub href: Option<String>,
}

/// A workflow as an SVG image of its own, with the states of its nodes where a run is given. The same input gives the same bytes.
pub fn draw_workflow(workflow: &Workflow, progress: Option<&Progress>, lang: Lang) -> String {
    draw_marked_workflow(workflow, progress, lang, &|node| {
        let stage = progress?.nodes[node].stage;
        Some(NodeMark { class: stage_name(stage), words: stage_words(stage, lang), href: None })
    })
}

/// The same, each node with the mark that a page gives it. Colours are attributes, so that a style sheet may say otherwise.
pub fn draw_marked_workflow(
    workflow: &Workflow,
    progress: Option<&Progress>,
    lang: Lang,
    mark: &dyn Fn(usize) -> Option<NodeMark>,
) -> String {
    let layout = Layout::of(workflow, lang, (0..workflow.nodes.len()).any(|node| mark(node).is_some()));
    let height = 2 * MARGIN + i32_of(layout.layers.len()) * (NODE_HEIGHT + LAYER_GAP) - LAYER_GAP;
    let width = layout.width;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         role=\"img\" aria-label=\"{}\" font-family=\"system-ui, 'Noto Sans KR', 'Malgun Gothic', sans-serif\" font-size=\"13\">\n\
         <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto-start-reverse\">\
         <path d=\"M0 0 8 4 0 8z\" fill=\"#64748b\"/></marker></defs>\n",
        escaped(&workflow.name)
    );
    for (index, edge) in workflow.edges.iter().enumerate() {
        draw_edge(&mut svg, &layout, (index, edge), progress, lang);
    }
    for index in 0..workflow.nodes.len() {
        draw_node(&mut svg, &layout, (index, &workflow.nodes[index]), mark(index), lang);
    }
    svg.push_str("</svg>\n");
    svg
}

impl Layout {
    fn of(workflow: &Workflow, lang: Lang, marked: bool) -> Self {
        let layer_of = layers_of(workflow);
        let count = layer_of.iter().max().map_or(0, |most| most + 1);
        let mut layers = vec![Vec::new(); count];
        for (node, layer) in layer_of.iter().enumerate() {
            layers[*layer].push(Slot::Node(node));
        }
        for (index, edge) in workflow.edges.iter().enumerate().filter(|(_, edge)| edge.rounds.is_none()) {
            for layer in &mut layers[layer_of[edge.from] + 1..layer_of[edge.to]] {
                layer.push(Slot::Bend(index));
            }
        }
        let widths = workflow.nodes.iter().map(|node| width_of(node, lang, marked)).collect();
        let mut layout = Self { layers, layer_of, middles: Vec::new(), widths, width: 0 };
        layout.sort(workflow);
        layout.place(workflow.edges.iter().any(|edge| edge.rounds.is_some()));
        layout
    }

    /// Puts every slot near the middle of its neighbours, down and up again, and keeps the order with the fewest crossings.
    fn sort(&mut self, workflow: &Workflow) {
        let mut best = (self.crossings(workflow), self.layers.clone());
        for sweep in 0..SWEEPS {
            let down = sweep % 2 == 0;
            let order: Vec<_> = if down {
                (1..self.layers.len()).collect()
            } else {
                (0..self.layers.len().saturating_sub(1)).rev().collect()
            };
            for layer in order {
                let beside = &self.layers[if down { layer - 1 } else { layer + 1 }];
                let mut weighed: Vec<_> = self.layers[layer]
                    .iter()
                    .enumerate()
                    .map(|(at, slot)| {
                        let near: Vec<_> = (0..beside.len())
                            .filter(|other| joined(workflow, self, *slot, beside[*other]))
                            .collect();
                        let sum: usize = near.iter().sum();
                        // Thousandths, so that the order is exact and the same everywhere.
                        (if near.is_empty() { at * 1_000 } else { sum * 1_000 / near.len() }, *slot)
                    })
                    .collect();
                weighed.sort_by_key(|(weight, _)| *weight);
                self.layers[layer] = weighed.into_iter().map(|(_, slot)| slot).collect();
            }
            let crossings = self.crossings(workflow);
            if crossings < best.0 {
                best = (crossings, self.layers.clone());
            }
        }
        self.layers = best.1;
    }

    fn crossings(&self, workflow: &Workflow) -> usize {
        self.layers
            .windows(2)
            .map(|pair| {
                let mut lines = Vec::new();
                for (upper, slot) in pair[0].iter().enumerate() {
                    for (lower, other) in pair[1].iter().enumerate() {
                        if joined(workflow, self, *slot, *other) {
                            lines.push((upper, lower));
                        }
                    }
                }
                let crossed = |(at, one): (usize, &(usize, usize))| {
                    lines[at + 1..]
                        .iter()
                        .filter(|other| {
                            (one.0 < other.0 && one.1 > other.1) || (one.0 > other.0 && one.1 < other.1)
                        })
                        .count()
                };
                lines.iter().enumerate().map(crossed).sum::<usize>()
            })
            .sum()
    }

    fn place(&mut self, loops: bool) {
        let width = |slot: &Slot| match slot {
            Slot::Node(node) => self.widths[*node],
            Slot::Bend(_) => 8,
        };
        let total =
            |layer: &Vec<Slot>| layer.iter().map(width).sum::<i32>() + NODE_GAP * (i32_of(layer.len()) - 1);
        let widest = self.layers.iter().map(total).max().unwrap_or(0);
        let middles = self
            .layers
            .iter()
            .map(|layer| {
                let mut x = MARGIN + (widest - total(layer)) / 2;
                let middle = |slot: &Slot| {
                    let middle = x + width(slot) / 2;
                    x += width(slot) + NODE_GAP;
                    middle
                };
                layer.iter().map(middle).collect()
            })
            .collect();
        self.middles = middles;
        // Room at the right for edges that lead back, and their words.
        self.width = widest + 2 * MARGIN + if loops { 120 } else { 0 };
    }

    /// The middle of a slot.
    fn at(&self, layer: usize, slot: Slot) -> (i32, i32) {
        let index = self.layers[layer].iter().position(|other| *other == slot).unwrap_or(0);
        (self.middles[layer][index], MARGIN + i32_of(layer) * (NODE_HEIGHT + LAYER_GAP) + NODE_HEIGHT / 2)
    }

    /// The right end of a layer.
    fn right(&self, layer: usize) -> i32 {
        let end = |(slot, middle): (&Slot, &i32)| match slot {
            Slot::Node(node) => middle + self.widths[*node] / 2,
            Slot::Bend(_) => middle + 4,
        };
        self.layers[layer].iter().zip(&self.middles[layer]).map(end).max().unwrap_or(0)
    }

    fn node(&self, node: usize) -> (i32, i32) {
        self.at(self.layer_of[node], Slot::Node(node))
    }
}

/// Room for the name and, below it, the kind with any stage: the same wherever the node stands, so that nothing moves.
fn width_of(node: &Node, lang: Lang, marked: bool) -> i32 {
    let name = 8 * i32_of(columns(&label(node.label())));
    let below = i32_of(columns(&kind_words(&node.work, lang)) + if marked { STAGE_COLUMNS } else { 0 });
    let slants = if matches!(node.work, NodeWork::If(_)) { 20 } else { 0 };
    (40 + name).max(24 + 6 * below + slants)
}

/// The layer of each node: one below the lowest that leads to it.
fn layers_of(workflow: &Workflow) -> Vec<usize> {
    let mut layers = vec![0; workflow.nodes.len()];
    // Forward edges have no cycle, so that many rounds settle everything.
    for _ in 0..workflow.nodes.len() {
        for edge in workflow.edges.iter().filter(|edge| edge.rounds.is_none()) {
            layers[edge.to] = layers[edge.to].max(layers[edge.from] + 1);
        }
    }
    layers
}

/// Whether a line runs between two slots of neighbouring layers.
fn joined(workflow: &Workflow, layout: &Layout, one: Slot, other: Slot) -> bool {
    let forward = |edge: &Edge| edge.rounds.is_none();
    let ends = |edge: usize, node: usize| {
        let edge = &workflow.edges[edge];
        edge.from == node || edge.to == node
    };
    match (one, other) {
        (Slot::Bend(edge), Slot::Bend(same)) => edge == same,
        (Slot::Bend(edge), Slot::Node(node)) | (Slot::Node(node), Slot::Bend(edge)) => ends(edge, node),
        (Slot::Node(one), Slot::Node(other)) => {
            workflow.edges.iter().filter(|edge| forward(edge)).any(|edge| {
                let near = layout.layer_of[edge.to] == layout.layer_of[edge.from] + 1;
                near && ((edge.from, edge.to) == (one, other) || (edge.from, edge.to) == (other, one))
            })
        }
    }
}

fn draw_edge(
    svg: &mut String,
    layout: &Layout,
    (index, edge): (usize, &Edge),
    progress: Option<&Progress>,
    lang: Lang,
) {
    let stage = progress.and_then(|progress| progress.edges.get(index)).copied().unwrap_or_default();
    let (class, colour, dash) = match stage.stage {
        EdgeStage::Taken => ("taken", "#0f766e", ""),
        EdgeStage::Dead => ("dead", "#cbd5e1", " stroke-dasharray=\"4 4\""),
        EdgeStage::Open => ("open", "#64748b", ""),
    };
    let (path, (lx, ly)) = route(layout, index, edge);
    let _infallible = writeln!(
        svg,
        "<path class=\"edge {class}\" d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"{dash} marker-end=\"url(#tip)\"/>"
    );
    let words = edge_words(edge, progress.map(|_| stage.rounds), lang);
    if !words.is_empty() {
        let anchor = if edge.rounds.is_some() { "start" } else { "middle" };
        let _infallible = writeln!(
            svg,
            "<text x=\"{lx}\" y=\"{ly}\" text-anchor=\"{anchor}\" font-size=\"11\" fill=\"#334155\" stroke=\"#fff\" stroke-width=\"3\" paint-order=\"stroke\">{}</text>",
            escaped(&words)
        );
    }
}

/// The line of an edge, and where its words stand.
fn route(layout: &Layout, index: usize, edge: &Edge) -> (String, (i32, i32)) {
    let ((x1, y1), (x2, y2)) = (layout.node(edge.from), layout.node(edge.to));
    if edge.rounds.is_some() {
        let (x1, x2) = (x1 + layout.widths[edge.from] / 2, x2 + layout.widths[edge.to] / 2);
        let passed = layout.layer_of[edge.to]..=layout.layer_of[edge.from];
        let right = passed.map(|layer| layout.right(layer)).max().unwrap_or(0);
        // In its middle the curve is three quarters of the way to its handles.
        let middle = right + 14;
        let handle = (8 * middle - x1 - x2) / 6;
        (format!("M{x1} {y1}C{handle} {y1} {handle} {y2} {x2} {y2}"), (middle + 4, (y1 + y2) / 2))
    } else {
        let mut points = vec![(x1, y1 + NODE_HEIGHT / 2)];
        for layer in layout.layer_of[edge.from] + 1..layout.layer_of[edge.to] {
            points.push(layout.at(layer, Slot::Bend(index)));
        }
        points.push((x2, y2 - NODE_HEIGHT / 2));
        let mut path = format!("M{} {}", points[0].0, points[0].1);
        for pair in points.windows(2) {
            let ((ax, ay), (bx, by)) = (pair[0], pair[1]);
            let middle = (ay + by) / 2;
            let _infallible = write!(path, "C{ax} {middle} {bx} {middle} {bx} {by}");
        }
        (path, ((points[0].0 + points[1].0) / 2, (points[0].1 + points[1].1) / 2))
    }
}

fn edge_words(edge: &Edge, rounds: Option<u32>, lang: Lang) -> String {
    let words = match &edge.when {
        When::Always => String::new(),
        When::Holds(expression) => label(expression),
        When::Decided(true) => lang.pick("yes", "예").to_owned(),
        When::Decided(false) => lang.pick("no", "아니요").to_owned(),
    };
    if let Some(most) = edge.rounds {
        let taken = rounds.map_or_else(String::new, |taken| format!("{taken}/"));
        return format!("{words} ×{taken}{most}").trim_start().to_owned();
    }
    words
}

fn draw_node(
    svg: &mut String,
    layout: &Layout,
    (index, node): (usize, &Node),
    mark: Option<NodeMark>,
    lang: Lang,
) {
    let ((x, y), width) = (layout.node(index), layout.widths[index]);
    let class = mark.as_ref().map_or("waiting", |mark| mark.class);
    let (fill, stroke) = match class {
        "running" => ("#dbeafe", "#1d4ed8"),
        "done" => ("#dcfce7", "#15803d"),
        "failed" => ("#fee2e2", "#b91c1c"),
        "skipped" => ("#f1f5f9", "#cbd5e1"),
        _ => ("#f8fafc", "#64748b"),
    };
    let (left, top, half) = (x - width / 2, y - NODE_HEIGHT / 2, NODE_HEIGHT / 2);
    let shape = match node.work {
        NodeWork::If(_) => format!(
            "<path d=\"M{left} {y}L{} {top}H{}L{} {y}L{} {}H{}z\"",
            left + 16,
            left + width - 16,
            left + width,
            left + width - 16,
            y + half,
            left + 16
        ),
        NodeWork::Approve(_) | NodeWork::Ask(_) => {
            format!("<rect x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{NODE_HEIGHT}\" rx=\"{half}\"")
        }
        _ => format!("<rect x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{NODE_HEIGHT}\" rx=\"6\""),
    };
    let (title, kind) = (escaped(&label(node.label())), kind_words(&node.work, lang));
    let said = mark.as_ref().map_or_else(String::new, |mark| format!(" · {}", mark.words));
    let href = mark.and_then(|mark| mark.href);
    if let Some(href) = &href {
        let _infallible = writeln!(svg, "<a href=\"{}\">", escaped(href));
    }
    let _infallible = writeln!(
        svg,
        "<g id=\"node-{id}\" class=\"{class}\">{shape} fill=\"{fill}\" stroke=\"{stroke}\" stroke-width=\"1.5\"/>\
         <text x=\"{x}\" y=\"{}\" text-anchor=\"middle\" fill=\"#0f172a\">{title}</text>\
         <text x=\"{x}\" y=\"{}\" text-anchor=\"middle\" font-size=\"10\" fill=\"#475569\">{kind}{said}</text></g>",
        y - 1,
        y + 14,
        id = node.id
    );
    if href.is_some() {
        svg.push_str("</a>\n");
    }
}

fn kind_words(work: &NodeWork, lang: Lang) -> String {
    match work {
        NodeWork::Prompt(_) => lang.pick("model", "모델").to_owned(),
        NodeWork::Tool { tool, .. } => escaped(&label(tool)),
        NodeWork::If(_) => lang.pick("condition", "조건").to_owned(),
        NodeWork::Approve(_) => lang.pick("approval", "승인").to_owned(),
        NodeWork::Ask(_) => lang.pick("question", "질문").to_owned(),
        NodeWork::Merge(_) => lang.pick("text", "글").to_owned(),
    }
}

const fn stage_name(stage: NodeStage) -> &'static str {
    match stage {
        NodeStage::Waiting => "waiting",
        NodeStage::Running => "running",
        NodeStage::Done => "done",
        NodeStage::Failed => "failed",
        NodeStage::Skipped => "skipped",
    }
}

fn stage_words(stage: NodeStage, lang: Lang) -> &'static str {
    let korean = match stage {
        NodeStage::Waiting => "대기",
        NodeStage::Running => "진행 중",
        NodeStage::Done => "완료",
        NodeStage::Failed => "실패",
        NodeStage::Skipped => "건너뜀",
    };
    lang.pick(stage_name(stage), korean)
}

/// A text of at most so many columns, on one line.
fn label(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if columns(&line) <= MOST_COLUMNS {
        return line;
    }
    let mut cut = String::new();
    for c in line.chars() {
        if columns(&cut) + columns(c.encode_utf8(&mut [0; 4])) >= MOST_COLUMNS {
            break;
        }
        cut.push(c);
    }
    format!("{}…", cut.trim_end())
}

/// Columns of a text: Hangul and its neighbours are two wide.
fn columns(text: &str) -> usize {
    let wide = |c: char| matches!(c, '\u{1100}'..='\u{115F}' | '\u{2E80}'..='\u{A4CF}' | '\u{AC00}'..='\u{D7A3}' | '\u{F900}'..='\u{FAFF}' | '\u{FF00}'..='\u{FF60}' | '\u{1F300}'..='\u{1FAFF}');
    text.chars().map(|c| if wide(c) { 2 } else { 1 }).sum()
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

fn i32_of(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
