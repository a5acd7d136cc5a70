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

/// What must not be done twice is one command for ever: while its end is awaited, and after it was told.
#[tokio::test]
async fn an_update_of_firmware_is_the_same_command_whenever_it_is_asked_for() {
    let site = Site::new().await;
    let id = site.server.id;
    let update = |attempt| {
        let image = FirmwareImage::Url("https://images.example/bmc.bin".into());
        Action::UpdateFirmware(FirmwareUpdate {
            order: uuid::Uuid::from_u128(5),
            attempt,
            component: "BMC".into(),
            image,
        })
    };
    let mut asked = site.agent().await;
    let ask = |attempt| {
        let agents = site.agents();
        tokio::spawn(async move { agents.run(&rack(), id, update(attempt)).await })
    };
    let first = ask(0);
    let command = asked.command().await;
    // The agent is restarted: it is given again under its id.
    let mut asked = site.agent_of(AgentBootId::random()).await;
    assert_eq!(asked.command().await, command);
    asked.report(&site, 1, done(&command, Success::FirmwareTaken { task: None })).await;
    assert_eq!(first.await.unwrap(), Ok(Success::FirmwareTaken { task: None }));
    // Asked again after its end was told, it is answered from what is stored, and not given.
    let again = tokio::time::timeout(Duration::from_secs(20), ask(0)).await.expect("it is given again");
    assert_eq!(again.unwrap(), Ok(Success::FirmwareTaken { task: None }));
    let other = ask(1);
    let second = asked.command().await;
    assert_ne!(second.id, command.id, "after a proof that it was not given it is another one");
    other.abort();
}
