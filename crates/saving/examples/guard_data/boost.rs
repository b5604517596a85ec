//! Gradient boosting of small regression trees on the logistic loss, and the calibration of their sum.

use super::Pair;
use nunchi_saving::{FEATURE_NAMES, FEATURES, Forest, GUARD_WEIGHTS_VERSION, Node};

/// How the trees are grown.
#[derive(Clone, Copy)]
pub(crate) struct Options {
    pub(crate) rounds: usize,
    pub(crate) depth: usize,
    pub(crate) rate: f64,
    pub l2: f64,
    /// Least weight of pairs (times p(1-p)) in a leaf.
    pub(crate) least: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self { rounds: 150, depth: 5, rate: 0.05, l2: 20.0, least: 40.0 }
    }
}

const BINS: usize = 48;

struct Binned {
    /// Upper edges of the bins of each feature.
    edges: Vec<Vec<f32>>,
    /// Row by row.
    bins: Vec<[u8; FEATURES]>,
}

fn bin(pairs: &[Pair]) -> Binned {
    let mut edges = Vec::with_capacity(FEATURES);
    for feature in 0..FEATURES {
        let mut values: Vec<f32> = pairs.iter().map(|pair| pair.features[feature]).collect();
        values.sort_by(f32::total_cmp);
        let cuts: Vec<f32> = (1..BINS).map(|at| values[(values.len() - 1) * at / BINS]).collect();
        let (mut distinct, mut all) = (Vec::new(), values);
        all.dedup();
        if all.len() <= BINS {
            distinct = all[..all.len().saturating_sub(1)].to_vec();
        }
        let mut cuts = if distinct.is_empty() { cuts } else { distinct };
        cuts.dedup();
        edges.push(cuts);
    }
    let bins = pairs
        .iter()
        .map(|pair| std::array::from_fn(|f| edges[f].partition_point(|edge| *edge < pair.features[f]) as u8))
        .collect();
    Binned { edges, bins }
}

/// Grows a forest; calibration is the identity.
pub(crate) fn train(pairs: &[Pair], options: Options) -> Forest {
    let binned = bin(pairs);
    let sum = |shared: bool| -> f64 {
        pairs.iter().filter(|pair| pair.shared == shared).map(|pair| f64::from(pair.weight)).sum()
    };
    let base = (sum(true) / sum(false)).ln();
    let mut scores = vec![base; pairs.len()];
    let mut trees = Vec::with_capacity(options.rounds);
    let mut slopes = vec![(0.0, 0.0); pairs.len()];
    for round in 0..options.rounds {
        for ((slope, pair), score) in slopes.iter_mut().zip(pairs).zip(&scores) {
            let p = 1.0 / (1.0 + (-score).exp());
            let weight = f64::from(pair.weight);
            *slope = (weight * (f64::from(u8::from(pair.shared)) - p), weight * p * (1.0 - p));
        }
        // Half of the pairs and half of the features for each tree, drawn alike in every run: the trees then err apart.
        let drawn = |at: usize, of: u64| mix(at as u64 ^ (round as u64) << 32 ^ of).is_multiple_of(2);
        let mut rows: Vec<u32> =
            (0..pairs.len()).filter(|at| drawn(*at, 1 << 60)).map(|at| at as u32).collect();
        let features: Vec<usize> = (0..FEATURES).filter(|at| drawn(*at, 1 << 61)).collect();
        let mut nodes = Vec::new();
        let mut grower = Grower {
            data: &binned,
            slopes: &slopes,
            options: &options,
            features: &features,
            nodes: &mut nodes,
        };
        grower.grow(&mut rows, options.depth, (f64::NEG_INFINITY, f64::INFINITY));
        for (score, pair) in scores.iter_mut().zip(pairs) {
            *score += f64::from(leaf(&nodes, &pair.features));
        }
        trees.push(nodes);
    }
    Forest {
        version: GUARD_WEIGHTS_VERSION,
        base: base as f32,
        calibration: [1.0, 0.0],
        same_reading: 0.0,
        floors: Vec::new(),
        trees,
    }
}

/// A last mixing step of splitmix64.
fn mix(seed: u64) -> u64 {
    let z = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The value of the leaf that a pair falls into.
fn leaf(nodes: &[Node], features: &[f32; FEATURES]) -> f32 {
    let mut at = 0;
    loop {
        let Node(feature, value, left, right) = nodes[at];
        let Ok(feature) = usize::try_from(feature) else { return value };
        at = usize::from(if features[feature] <= value { left } else { right });
    }
}

/// Features that may only raise (1) or only lower (-1) the score: what is common sense need not be learned.
fn direction(feature: usize) -> i8 {
    match FEATURE_NAMES[feature] {
        "cosine" | "coverage_min" | "coverage_max" | "dice" | "length_ratio" | "order" | "number"
        | "date" | "time" | "polarity" | "state" | "comparison" | "order_slot" | "entity" | "literal"
        | "asked" | "quantifier" | "act" | "same_reading" | "shared_weight" => 1,
        "missing_min" | "missing_max" | "gap_min" | "gap_max" | "strange_min" | "strange_max"
        | "noun_gap_min" | "noun_gap_max" | "conflicts" | "known_gap_min" | "pole_gap_min" | "swaps"
        | "one_sided" | "acts" | "instead_differs" => -1,
        _ => 0,
    }
}

struct Split {
    feature: usize,
    cut: usize,
    gain: f64,
    /// The value between the two sides, which bounds both when the feature has a direction.
    middle: f64,
}

struct Grower<'a> {
    data: &'a Binned,
    slopes: &'a [(f64, f64)],
    options: &'a Options,
    /// The features that may be split on.
    features: &'a [usize],
    nodes: &'a mut Vec<Node>,
}

impl Grower<'_> {
    /// Grows a node over these rows; its leaves keep within the bounds. Gives the node's place.
    fn grow(&mut self, rows: &mut [u32], depth: usize, bounds: (f64, f64)) -> u16 {
        let at = self.nodes.len();
        let (g, h) = rows.iter().fold((0.0, 0.0), |(g, h), row| {
            let (dg, dh) = self.slopes[*row as usize];
            (g + dg, h + dh)
        });
        self.nodes.push(Node(-1, 0.0, 0, 0));
        let split = if depth > 0 { self.best_split(rows, (g, h), bounds) } else { None };
        let Some(split) = split else {
            let value = self.options.rate * self.value((g, h), bounds);
            let rounded = (value * 1e4).round() / 1e4;
            self.nodes[at].1 = rounded as f32;
            return at as u16;
        };
        let data = self.data;
        let left_first = |row: &u32| data.bins[*row as usize][split.feature] as usize <= split.cut;
        rows.sort_by_key(|row| !left_first(row));
        let middle = rows.partition_point(left_first);
        let (left, right) = rows.split_at_mut(middle);
        let (low, high) = bounds;
        let (left_bounds, right_bounds) = match direction(split.feature) {
            1 => ((low, split.middle), (split.middle, high)),
            -1 => ((split.middle, high), (low, split.middle)),
            _ => (bounds, bounds),
        };
        let left = self.grow(left, depth - 1, left_bounds);
        let right = self.grow(right, depth - 1, right_bounds);
        self.nodes[at] = Node(split.feature as i16, data.edges[split.feature][split.cut], left, right);
        at as u16
    }

    fn value(&self, (g, h): (f64, f64), (low, high): (f64, f64)) -> f64 {
        (g / (h + self.options.l2)).clamp(low, high)
    }

    /// What a leaf gains over predicting nothing.
    fn gain(&self, sums: (f64, f64), bounds: (f64, f64)) -> f64 {
        let value = self.value(sums, bounds);
        2.0 * sums.0 * value - (sums.1 + self.options.l2) * value * value
    }

    fn best_split(&self, rows: &[u32], total: (f64, f64), bounds: (f64, f64)) -> Option<Split> {
        let mut sums = vec![[(0.0, 0.0); BINS]; FEATURES];
        for row in rows {
            let (g, h) = self.slopes[*row as usize];
            for (feature, bin) in self.data.bins[*row as usize].iter().enumerate() {
                let cell = &mut sums[feature][*bin as usize];
                *cell = (cell.0 + g, cell.1 + h);
            }
        }
        let floor = self.gain(total, bounds) + 1e-3;
        let mut best: Option<Split> = None;
        for (feature, cells) in self.features.iter().map(|feature| (*feature, &sums[*feature])) {
            let mut left = (0.0, 0.0);
            for (cut, cell) in cells.iter().enumerate().take(self.data.edges[feature].len()) {
                left = (left.0 + cell.0, left.1 + cell.1);
                let right = (total.0 - left.0, total.1 - left.1);
                if left.1 < self.options.least || right.1 < self.options.least {
                    continue;
                }
                let (low, high) = (self.value(left, bounds), self.value(right, bounds));
                if f64::from(direction(feature)) * (high - low) < 0.0 {
                    continue;
                }
                let gain = self.gain(left, bounds) + self.gain(right, bounds);
                if gain > best.as_ref().map_or(floor, |best| best.gain) {
                    best = Some(Split { feature, cut, gain, middle: (low + high) / 2.0 });
                }
            }
        }
        best
    }
}

/// Fits slope and offset of the log-odds to pairs that the trees have not seen (Platt scaling, Newton's method).
pub(crate) fn calibrate(points: &[(f32, bool, f32)]) -> [f32; 2] {
    let (mut slope, mut offset) = (1.0_f64, 0.0_f64);
    for _ in 0..50 {
        let (mut g, mut h) = ([1e-3 * (1.0 - slope), 0.0], [[1e-3, 0.0], [0.0, 1e-6]]);
        for (score, shared, weight) in points {
            let (x, w) = (f64::from(*score), f64::from(*weight));
            let p = 1.0 / (1.0 + (-(slope * x + offset)).exp());
            let (d, v) = (w * (f64::from(u8::from(*shared)) - p), w * p * (1.0 - p));
            g = [g[0] + d * x, g[1] + d];
            h = [[h[0][0] + v * x * x, h[0][1] + v * x], [0.0, h[1][1] + v]];
        }
        let det = h[0][0] * h[1][1] - h[0][1] * h[0][1];
        slope += (h[1][1] * g[0] - h[0][1] * g[1]) / det;
        offset += (h[0][0] * g[1] - h[0][1] * g[0]) / det;
    }
    [slope as f32, offset as f32]
}
