//! Computes a report for each chatbot, for `--by-chatbot`.

use crate::error::Result;
use crate::report::answer::Answer;
use crate::report::dispatch::{
    ReportKind, ReportOutcome, ReportRequest, reports_of_all, run_kind, run_together,
};
use crate::report::query::by_chatbot::ChatbotPartitions;
use crate::report::query::chatbots::ranked_chatbots;
use crate::report::query::tables::Tables;
use crate::report::summary::each_summary;
use crate::report::visitors::each_visitors;

/// The minimum number of chatbots for which each report runs on one thread, and for which `summary`
/// and `visitors` are computed in one pass.
const MANY_CHATBOTS: usize = 100;

/// Receives the outcomes of the chatbots, in order.
type EachOutcome<'a> = &'a mut (dyn FnMut(ReportOutcome) -> Result<()> + Send);

/// Computes the report of each chatbot, most sessions first, and passes it to `each`.
pub(in crate::report) fn each_chatbot(
    tables: &dyn Tables,
    request: &ReportRequest,
    each: EachOutcome<'_>,
) -> Result<()> {
    let chatbots = ranked_chatbots(tables, &request.query, request.compare)?;
    if chatbots.is_empty() {
        // No chatbot has a session. The answer for all chatbots has the notes that explain why.
        return each(run_together(tables, request)?);
    }
    let run = ChatbotRun { tables, request, chatbots: &chatbots, partitions: ChatbotPartitions::new(tables) };
    if request.kind != ReportKind::All {
        return run.each_answer(request.kind, &mut |answer| each(ReportOutcome::One(answer)));
    }
    // Run one report after the other: the columns of a report stay in the cache until the next.
    let mut all: Vec<Vec<Box<dyn Answer>>> = chatbots.iter().map(|_| Vec::new()).collect();
    for kind in reports_of_all(request) {
        let mut of_chatbots = all.iter_mut();
        run.each_answer(kind, &mut |answer| {
            if let Some(answers) = of_chatbots.next() {
                answers.push(answer);
            }
            Ok(())
        })?;
    }
    all.into_iter().try_for_each(|answers| each(ReportOutcome::All(answers)))
}

/// The reports of several chatbots on the same tables.
struct ChatbotRun<'a> {
    tables: &'a dyn Tables,
    request: &'a ReportRequest,
    /// The chatbots, in the order of their reports.
    chatbots: &'a [String],
    partitions: ChatbotPartitions<'a>,
}

impl ChatbotRun<'_> {
    /// Computes a report of each chatbot, and passes it to `each`.
    fn each_answer(
        &self,
        kind: ReportKind,
        each: &mut (dyn FnMut(Box<dyn Answer>) -> Result<()> + Send),
    ) -> Result<()> {
        let (request, query, compare) = (self.request, &self.request.query, self.request.compare);
        if self.chatbots.len() >= MANY_CHATBOTS {
            match kind {
                ReportKind::Summary => {
                    return each_summary(self.tables, query, compare, self.chatbots, &mut |report| {
                        each(Box::new(report))
                    });
                }
                ReportKind::Visitors if !compare && query.has_daily_stats(self.tables) => {
                    return each_visitors(self.tables, query, self.chatbots, &mut |report| {
                        each(Box::new(report))
                    });
                }
                _ => {}
            }
        }
        self.partitions.start_report();
        let answer = |chatbot: &String| {
            let mut request = request.clone();
            request.query.chatbots = vec![chatbot.clone()];
            run_kind(&self.partitions.chatbot(chatbot), &request, kind)
        };
        // The first chatbot fills the cache of reads.
        let Some((first, others)) = self.chatbots.split_first() else { return Ok(()) };
        each(answer(first)?)?;
        inline_if(others.len() >= MANY_CHATBOTS, || {
            others.iter().try_for_each(|chatbot| each(answer(chatbot)?))
        })
    }
}

/// Runs a function. With `inline`, it runs on one thread, including all parallel work that it
/// starts. If there are many chatbots, each has few rows, and waking other threads would take
/// longer than reading these rows.
fn inline_if<R: Send>(inline: bool, run: impl FnOnce() -> R + Send) -> R {
    let pool = inline.then(|| rayon::ThreadPoolBuilder::new().num_threads(1).build());
    match pool {
        Some(Ok(pool)) => pool.install(run),
        _ => run(),
    }
}
