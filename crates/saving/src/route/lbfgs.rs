//! Minimises a smooth function by L-BFGS (Nocedal and Wright, algorithm 7.5) with a backtracking line search. Deterministic.

/// Pairs of steps and gradient changes kept.
const MEMORY: usize = 8;
/// Share of the promised decrease that a step must bring.
const ARMIJO: f64 = 1e-4;
/// Relative change of the value below which it stops.
const TOLERANCE: f64 = 1e-5;

/// The point near `start` where `value` (with its gradient) is least, after at most `iterations` steps.
pub(super) fn minimise(
    start: Vec<f64>,
    iterations: usize,
    value: impl Fn(&[f64], &mut [f64]) -> f64,
) -> Vec<f64> {
    let mut point = start;
    let mut slope = vec![0.0; point.len()];
    let mut now = value(&point, &mut slope);
    let mut pairs: Vec<(Vec<f64>, Vec<f64>)> = Vec::new();
    for _ in 0..iterations {
        let mut step = direction(&pairs, &slope);
        let mut descent = dot(&slope, &step);
        if descent >= 0.0 {
            pairs.clear();
            step = slope.iter().map(|g| -g).collect();
            descent = -dot(&slope, &slope);
        }
        let Some((next, next_slope, then)) = search(&point, &step, now, descent, &value) else { break };
        let moved: Vec<f64> = next.iter().zip(&point).map(|(a, b)| a - b).collect();
        let turned: Vec<f64> = next_slope.iter().zip(&slope).map(|(a, b)| a - b).collect();
        if dot(&moved, &turned) > 1e-12 {
            pairs.push((moved, turned));
            if pairs.len() > MEMORY {
                pairs.remove(0);
            }
        }
        let small = (now - then).abs() < TOLERANCE * now.abs().max(1.0);
        (point, slope, now) = (next, next_slope, then);
        if small {
            break;
        }
    }
    point
}

/// Halves the step until the value falls enough.
fn search(
    point: &[f64],
    step: &[f64],
    now: f64,
    descent: f64,
    value: &impl Fn(&[f64], &mut [f64]) -> f64,
) -> Option<(Vec<f64>, Vec<f64>, f64)> {
    let mut slope = vec![0.0; point.len()];
    let mut length = 1.0;
    while length > 1e-9 {
        let next: Vec<f64> = point.iter().zip(step).map(|(p, s)| p + length * s).collect();
        let then = value(&next, &mut slope);
        if then.is_finite() && then <= now + ARMIJO * length * descent {
            return Some((next, slope, then));
        }
        length *= 0.5;
    }
    None
}

/// The quasi-Newton direction of the two-loop recursion.
fn direction(pairs: &[(Vec<f64>, Vec<f64>)], slope: &[f64]) -> Vec<f64> {
    let mut q = slope.to_vec();
    let mut shares = Vec::with_capacity(pairs.len());
    for (moved, turned) in pairs.iter().rev() {
        let share = dot(moved, &q) / dot(turned, moved);
        add(&mut q, turned, -share);
        shares.push(share);
    }
    let scale = match pairs.last() {
        Some((moved, turned)) => dot(moved, turned) / dot(turned, turned),
        None => 1.0 / dot(slope, slope).sqrt().max(1.0),
    };
    q.iter_mut().for_each(|v| *v *= scale);
    for ((moved, turned), share) in pairs.iter().zip(shares.iter().rev()) {
        let back = dot(turned, &q) / dot(turned, moved);
        add(&mut q, moved, share - back);
    }
    q.iter_mut().for_each(|v| *v = -*v);
    q
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

fn add(to: &mut [f64], from: &[f64], times: f64) {
    to.iter_mut().zip(from).for_each(|(t, f)| *t += times * f);
}

#[cfg(test)]
mod tests {
    use super::minimise;

    #[test]
    fn it_finds_the_bottom_of_a_curved_valley() {
        let found = minimise(vec![-1.2, 1.0], 500, |p, slope| {
            let (x, y) = (p[0], p[1]);
            slope[0] = -400.0 * x * (y - x * x) - 2.0 * (1.0 - x);
            slope[1] = 200.0 * (y - x * x);
            100.0 * (y - x * x).powi(2) + (1.0 - x).powi(2)
        });
        assert!((found[0] - 1.0).abs() < 0.05 && (found[1] - 1.0).abs() < 0.1, "{found:?}");
    }
}
