//! Edges: how long commands are wanted, how old the readings of a rack are, and which agents are waited for.

use protocol::{
    bmc_health::{BmcHealth, BreakerState, LastError},
    heartbeat::Heartbeat,
    power_budget,
};

use super::*;
use crate::agents::alive::AGENT_EXPECTED_FOR;

#[tokio::test]
async fn a_power_command_says_how_long_it_is_wanted() {
    let site = Site::new().await;
    let mut agent = site.agent().await;
    let id = site.server.id;
    let on = Action::PowerOn { boot: Boot::Disk };
    for (action, wanted) in [
        (on.clone(), Some(power_budget::ON_WANTED_MAX)),
        (Action::Reset { boot: Boot::Disk }, Some(power_budget::ON_WANTED_MAX)),
        (Action::PowerOff { how: PowerOffHow::Soft }, Some(power_budget::OFF_WANTED_MAX)),
        (Action::ReadIdentity, None),
    ] {
        let (agents, asked) = (site.agents(), action.clone());
        tokio::spawn(async move { agents.run(&rack(), id, asked).await });
        let command = agent.command().await;
        assert_eq!(command.action, action);
        assert_eq!(command.wanted.map(|wanted| wanted.within), wanted, "{action:?}");
        assert!(command.wanted.is_none_or(|wanted| wanted.given <= site.hub.stream_time()), "{action:?}");
    }
}

#[tokio::test]
async fn a_heartbeat_says_how_old_the_readings_of_a_rack_are() {
    let site = Site::new().await;
    let mut agent = site.agent().await;
    assert_eq!(site.hub.oldest_reading(&rack()), None, "nobody has said");
    let before = site.hub.stream_time();
    let oldest = Duration::from_secs(7);
    let beat = Heartbeat { number: 1, oldest_reading: Some(oldest) };
    agent.up.send(FromAgent::Heartbeat(beat).into()).await.unwrap();
    let ToAgent::Heard { number: 1, at } = agent.next().await.unwrap() else { panic!("no answer") };
    assert!(before <= at && at <= site.hub.stream_time());
    assert!(site.hub.oldest_reading(&rack()).is_some_and(|age| age >= oldest));
    let beat = Heartbeat { number: 2, oldest_reading: None };
    agent.up.send(FromAgent::Heartbeat(beat).into()).await.unwrap();
    assert!(matches!(agent.next().await.unwrap(), ToAgent::Heard { number: 2, .. }));
    assert_eq!(site.hub.oldest_reading(&rack()), None, "it stands by none");
}

#[tokio::test]
async fn an_agent_says_how_the_bmcs_of_its_rack_answer() {
    let site = Site::new().await;
    let agent = site.agent().await;
    let health = |asked| BmcHealth {
        server: site.server.id,
        answers: Some(false),
        asked,
        failed: 1,
        latency: None,
        sessions: 0,
        breaker: BreakerState::HalfOpen,
        last_error: Some(LastError { ago: Duration::from_secs(3), text: "no answer".into() }),
        reading_age: None,
    };
    for asked in [1, 2] {
        agent.up.send(FromAgent::Health(vec![health(asked)]).into()).await.unwrap();
        let heard = async {
            loop {
                match site.hub.bmc_health(&rack(), site.server.id) {
                    Some(heard) if heard.health.asked == asked => return heard.health,
                    Some(_) | None => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        };
        let heard = tokio::time::timeout(Duration::from_secs(20), heard).await.expect("it is heard");
        assert_eq!(heard, health(asked));
    }
    assert!(site.hub.bmc_health(&"rack-9".parse().unwrap(), site.server.id).is_none());
}

#[tokio::test]
async fn an_agent_that_was_here_before_is_waited_for_after_a_restart() {
    let mut site = Site::new().await;
    assert!(!site.hub.is_expected(&rack()).await, "one that was never here is not waited for");
    let agent = site.agent().await;
    assert!(!site.hub.is_expected(&rack()).await, "it is here");
    site.restart().await;
    assert!(!site.hub.connection(&rack()).is_connected() && site.hub.is_expected(&rack()).await);
    let hub = Arc::clone(&site.hub);
    let waiting = tokio::spawn(async move {
        hub.await_back(&rack()).await;
        hub.connection(&rack()).reason()
    });
    let _back = site.agent_of(agent.run).await;
    assert_eq!(waiting.await.unwrap(), None, "it is back");
    // Away for longer than a moment, it is not waited for either.
    site.restart().await;
    let later = AGENT_EXPECTED_FOR + Duration::from_secs(1);
    site.clock.advance_us(u64::try_from(later.as_micros()).unwrap());
    assert!(!site.hub.is_expected(&rack()).await, "nobody waits for an agent that is away");
}
