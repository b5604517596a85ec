//! Which instructions the CPU has.

/// Instruction sets the kernels are written for, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Nothing assumed.
    Portable,
    /// AVX2, FMA and F16C (x86-64 since 2013).
    Avx2,
    /// The same and 8-bit dot products (AVX-512 VNNI on 256-bit registers).
    Vnni,
}

impl Level {
    /// The best level of this CPU. The standard library caches the answer.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn detect() -> Self {
        let avx2 = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c");
        let vnni = is_x86_feature_detected!("avx512vnni") && is_x86_feature_detected!("avx512vl");
        match (avx2, vnni) {
            (true, true) => Self::Vnni,
            (true, false) => Self::Avx2,
            _ => Self::Portable,
        }
    }

    /// The best level of this CPU.
    #[cfg(not(target_arch = "x86_64"))]
    pub(crate) fn detect() -> Self {
        Self::Portable
    }
}
