//! Leads a run out of a circle.

use crate::guards::Circle;
use crate::machine::Machine;
use crate::prompts::{self, fill};
use crate::record::Draft;
use nunchi_core::{ApprovalSubject, Lang, StepKind, StepStatus, Tier};

impl Machine {
    /// First a word, then another model, then a person.
    pub(crate) fn leave_circle(&mut self, circle: Circle) {
        let draft = Draft::new(StepKind::Guard, "loop").input(circle.words(Lang::En));
        self.record(draft.status(StepStatus::Refused, circle.code()));
        let lang = self.state.order.lang;
        let stronger = format!("auto:{}", Tier::Complex);
        let stage = self.state.window.stage;
        let can_switch = self.state.model.starts_with("auto") && self.state.model != stronger;
        self.state.window.stage = stage + 1;
        match stage {
            0 => {}
            1 if can_switch => self.state.model = stronger,
            _ if self.state.order.is_sub_agent() => {
                let words = circle.words(lang);
                let why = lang.pick(
                    format!("It went round in circles: {words}."),
                    format!("같은 자리를 맴돌았습니다: {words}."),
                );
                return self.fail(circle.code(), why);
            }
            _ => {
                let words = circle.words(lang);
                let question = lang.pick(
                    format!("I am going round in circles: {words}. What shall I do?"),
                    format!("같은 자리를 맴돌고 있습니다({words}). 어떻게 할까요?"),
                );
                self.ask(ApprovalSubject::Question(question), circle.code());
                return;
            }
        }
        self.say_to_model(fill(prompts::NUDGE, &[("what", circle.words(Lang::En))]));
        self.call_model();
    }
}
