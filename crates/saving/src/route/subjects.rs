//! The subjects that a question is likened to: those of MMLU (Hendrycks et al. 2021, MIT), and sums told in words.

/// Names, in the order of the classifier's outputs.
pub const SUBJECTS: [&str; 58] = [
    "abstract_algebra",
    "anatomy",
    "astronomy",
    "business_ethics",
    "clinical_knowledge",
    "college_biology",
    "college_chemistry",
    "college_computer_science",
    "college_mathematics",
    "college_medicine",
    "college_physics",
    "computer_security",
    "conceptual_physics",
    "econometrics",
    "electrical_engineering",
    "elementary_mathematics",
    "formal_logic",
    "global_facts",
    "high_school_biology",
    "high_school_chemistry",
    "high_school_computer_science",
    "high_school_european_history",
    "high_school_geography",
    "high_school_government_and_politics",
    "high_school_macroeconomics",
    "high_school_mathematics",
    "high_school_microeconomics",
    "high_school_physics",
    "high_school_psychology",
    "high_school_statistics",
    "high_school_us_history",
    "high_school_world_history",
    "human_aging",
    "human_sexuality",
    "international_law",
    "jurisprudence",
    "logical_fallacies",
    "machine_learning",
    "management",
    "marketing",
    "medical_genetics",
    "miscellaneous",
    "moral_disputes",
    "moral_scenarios",
    "nutrition",
    "philosophy",
    "prehistory",
    "professional_accounting",
    "professional_law",
    "professional_medicine",
    "professional_psychology",
    "public_relations",
    "security_studies",
    "sociology",
    "us_foreign_policy",
    "virology",
    "world_religions",
    "word_problem",
];

/// The place of sums told in words.
pub const WORD_PROBLEM: usize = SUBJECTS.len() - 1;

/// The place of a subject in the list.
pub fn subject_index(name: &str) -> Option<usize> {
    SUBJECTS.iter().position(|subject| *subject == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_sorted_and_found() {
        assert!(SUBJECTS[..WORD_PROBLEM].is_sorted());
        assert_eq!(subject_index("word_problem"), Some(WORD_PROBLEM));
        assert_eq!(subject_index("astrology"), None);
    }
}
