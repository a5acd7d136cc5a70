//! Edges: commands: whom they reach, whom their end is believed, and what becomes of them after a break.

use super::*;

/// An agent that knows the id of another server's command, of its own rack or of another one, ends nothing by it.
#[tokio::test]
async fn a_command_is_ended_by_its_own_servers_agent_only() {
    let site = Site::new().await;
    let mut agent = site.agent().await;
    let elsewhere = ServerId(uuid::Uuid::from_u128(99));
    let cases =
        [(site.server.id, "rack2", false), (elsewhere, "rack1", false), (site.server.id, "rack1", true)];
    for (seq, (server, rack, counts)) in (1..).zip(cases) {
        let command = StoredCommand {
            id: CommandId::random(),
            rack: rack.parse().unwrap(),
            server,
            kind: CommandKind::PowerOff,
            digest: format!("digest {seq}"),
            created_us: 1,
            outcome: None,
            answered: false,
        };
        site.inventory.put_command(&command).await.unwrap();
        let result = CommandResult { command: command.id, outcome: Ok(Success::Done) };
        agent.report(&site, seq, ReportBody::Command(result)).await;
        agent.acknowledged(seq).await;
        let ended = site.inventory.command(command.id).await.unwrap().unwrap().outcome.is_some();
        let heard = site.inventory.server(site.server.id).await.unwrap().unwrap().power.is_some();
        assert_eq!((ended, heard), (counts, counts), "{server} {rack}");
    }
}

#[tokio::test]
async fn a_power_command_is_a_permit_for_this_moment_only() {
    let site = Site::new().await;
    let turn_on = || Action::PowerOn { boot: Boot::Disk };
    let away = site.agents().run(&rack(), site.server.id, turn_on()).await.unwrap_err();
    assert!(matches!(away, AgentError::Away { .. }), "{away}");
    let mut agent = site.agent().await;
    let agents = site.agents();
    let id = site.server.id;
    let run = tokio::spawn(async move { agents.run(&rack(), id, turn_on()).await });
    let command = agent.command().await;
    assert_eq!(command.action, turn_on());
    // The agent reconnects before it has answered: it is asked whether it has the command, and has.
    let mut agent = site.agent_of(agent.run).await;
    let question = agent.command().await;
    assert_eq!(question.action, Action::ReadIdentity, "the proof was for that moment");
    agent.report(&site, 1, done(&command, Success::Done)).await;
    assert_eq!(run.await.unwrap(), Ok(Success::Done));
    let server = site.inventory.server(id).await.unwrap().unwrap();
    assert_eq!(server.power.unwrap().reading, PowerReading::On, "a success is a confirmed reading");
    let mut agent = site.agent().await;
    agent.report(&site, 2, power(PowerReading::On)).await;
    assert_eq!(agent.next().await.unwrap(), ToAgent::Acknowledge { seq: 2 }, "it is not given a second time");
}

#[tokio::test]
async fn a_permit_is_never_given_on_a_second_stream() {
    let site = Site::new().await;
    let id = site.server.id;
    let on = Action::PowerOn { boot: Boot::Disk };
    let reset = Action::Reset { boot: Boot::Disk };
    let mut agent = site.agent().await;
    // The permit, whether the agent is restarted, and whether it is known that nothing was done.
    for (action, anew, nothing_done) in
        [(&on, false, true), (&on, true, true), (&reset, false, true), (&reset, true, false)]
    {
        let (agents, asked) = (site.agents(), action.clone());
        let run = tokio::spawn(async move { agents.run(&rack(), id, asked).await });
        assert_eq!(&agent.command().await.action, action);
        let boot_id = if anew { AgentBootId::random() } else { agent.run };
        agent = site.agent_of(boot_id).await;
        let question = agent.command().await;
        assert_eq!(question.action, Action::ReadIdentity, "after {action:?}");
        let seq = site.inventory.agent(&rack()).await.unwrap().unwrap().acknowledged + 1;
        agent.report(&site, seq, done(&question, Success::Identity(BmcIdentity::default()))).await;
        let error = run.await.unwrap().unwrap_err();
        let not_taken = matches!(error, AgentError::NotTaken { .. });
        assert_eq!(not_taken, nothing_done, "{action:?}, restarted: {anew}: {error}");
    }
    // A power-off needs no proof: it is given again under its id.
    let agents = site.agents();
    let off = Action::PowerOff { how: PowerOffHow::Hard };
    let _run = tokio::spawn(async move { agents.run(&rack(), id, off).await });
    let command = agent.command().await;
    let mut agent = site.agent_of(agent.run).await;
    assert_eq!(agent.command().await, command);
}
