//! Edges: `bmsctl node bmc health`.

use super::{args::Output, client::Client, output, path::path, since::since};
use api_types::{BmcAnswers, BmcFigures, BmcHealth, Page};
use domain::url_text::query;

/// Shows how the BMCs of some nodes answer, or of all.
pub async fn health(client: &Client, output: Output, nodes: &[String]) -> anyhow::Result<()> {
    if let [node] = nodes {
        return show(output, &client.get(&path(&["nodes", node, "bmc"])?).await?);
    }
    let mut healths = Vec::new();
    for node in nodes {
        healths.push(client.get::<BmcHealth>(&path(&["nodes", node, "bmc"])?).await?);
    }
    if nodes.is_empty() {
        healths = all(client).await?;
    }
    let now = jiff::Timestamp::now();
    let header = ["node", "answers", "ms", "p95", "failed", "breaker", "power read", "last error"];
    output::list(output, &healths, &header, |health| row(health, now))
}

/// Those of all nodes, page by page.
async fn all(client: &Client) -> anyhow::Result<Vec<BmcHealth>> {
    let (mut all, mut path) = (Vec::new(), "/v1/bmcs".to_owned());
    loop {
        let page: Page<BmcHealth> = client.get(&path).await?;
        all.extend(page.items);
        match page.next {
            Some(marker) => path = format!("/v1/bmcs?{}", query(&[("marker", &marker)])),
            None => return Ok(all),
        }
    }
}

fn row(health: &BmcHealth, now: jiff::Timestamp) -> Vec<String> {
    let mut cells = vec![health.node.clone(), health.answers.to_string()];
    match &health.figures {
        Some(figures) => cells.extend([
            number(figures.median_ms),
            number(figures.p95_ms),
            failed(figures),
            breaker(figures),
            ago(figures.reading_at.as_deref(), now),
            last_error(health, figures, now),
        ]),
        None => {
            cells.extend(std::iter::repeat_n(String::new(), 5));
            cells.push(health.reason.clone().unwrap_or_default());
        }
    }
    cells
}

fn show(output: Output, health: &BmcHealth) -> anyhow::Result<()> {
    let now = jiff::Timestamp::now();
    let mut fields = vec![
        ("node", health.node.clone()),
        ("bmc", health.bmc.clone()),
        ("answers", health.answers.to_string()),
        ("reason", health.reason.clone().unwrap_or_default()),
    ];
    if let Some(figures) = &health.figures {
        let latency = figures.median_ms.zip(figures.p95_ms);
        let latency = latency.map(|(median, p95)| format!("{median} ms, 95 of 100 within {p95} ms"));
        let error = figures
            .last_error
            .as_ref()
            .map(|text| format!("{}: {text}", ago(figures.last_error_at.as_deref(), now)));
        fields.extend([
            ("latency", latency.unwrap_or_default()),
            ("failed", failed(figures)),
            ("sessions", figures.sessions.to_string()),
            ("breaker", breaker(figures)),
            ("last error", error.unwrap_or_default()),
            ("power read", ago(figures.reading_at.as_deref(), now)),
            ("reported", ago(Some(&figures.at), now)),
        ]);
    }
    output::one(output, health, fields)
}

fn number(ms: Option<u64>) -> String {
    ms.map(|ms| ms.to_string()).unwrap_or_default()
}

fn failed(figures: &BmcFigures) -> String {
    format!("{} of {}", figures.failed, figures.asked)
}

fn breaker(figures: &BmcFigures) -> String {
    let until = figures.breaker_until.as_ref().map(|until| format!(" until {until}"));
    format!("{}{}", figures.breaker.as_str().replace('_', "-"), until.unwrap_or_default())
}

/// In a list what is over is left out.
fn last_error(health: &BmcHealth, figures: &BmcFigures, now: jiff::Timestamp) -> String {
    match (health.answers, &figures.last_error) {
        (BmcAnswers::No | BmcAnswers::Unknown, Some(text)) => {
            format!("{}: {text}", ago(figures.last_error_at.as_deref(), now))
        }
        (BmcAnswers::Yes, _) | (_, None) => String::new(),
    }
}

fn ago(at: Option<&str>, now: jiff::Timestamp) -> String {
    match since(at, now) {
        none if none.is_empty() => none,
        since => format!("{since} ago"),
    }
}

#[cfg(test)]
mod tests {
    use api_types::BmcBreaker;

    use super::*;

    #[test]
    fn a_row_says_how_a_bmc_answers_and_why_not() {
        let figures = BmcFigures {
            at: "2026-11-22T08:00:00Z".into(),
            asked: 128,
            failed: 3,
            median_ms: Some(12),
            p95_ms: Some(40),
            sessions: 1,
            breaker: BmcBreaker::Closed,
            breaker_until: None,
            last_error: Some("no answer; check its cable".into()),
            last_error_at: Some("2026-11-22T07:59:30Z".into()),
            reading_at: Some("2026-11-22T07:59:58Z".into()),
        };
        let silent = BmcFigures {
            breaker: BmcBreaker::HalfOpen,
            breaker_until: Some("2026-11-22T08:00:07Z".into()),
            ..figures.clone()
        };
        let check = |answers, figures: Option<&BmcFigures>, reason: Option<&str>, expected: &str| {
            let health = BmcHealth {
                id: uuid::Uuid::nil(),
                node: "srv1".into(),
                rack: "rack1".into(),
                bmc: "ipmi://192.0.2.5:623".into(),
                answers,
                reason: reason.map(str::to_owned),
                figures: figures.cloned(),
            };
            assert_eq!(row(&health, "2026-11-22T08:00:00Z".parse().unwrap()).join("|"), expected);
        };
        check(BmcAnswers::Yes, Some(&figures), None, "srv1|yes|12|40|3 of 128|closed|2s ago|");
        check(
            BmcAnswers::No,
            Some(&silent),
            None,
            "srv1|no|12|40|3 of 128|half-open until 2026-11-22T08:00:07Z|2s ago|30s ago: no answer; check its cable",
        );
        check(BmcAnswers::Unknown, None, Some("no agent"), "srv1|unknown||||||no agent");
    }
}
