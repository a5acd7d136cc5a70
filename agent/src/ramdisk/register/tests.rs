//! Tokens and sessions in any order, with an agent that is killed in between.

use proptest::prelude::*;
use protocol::boot::BootPurpose;

use super::*;

const NETWORKS: [BootNetwork; 2] = [BootNetwork::Provisioning, BootNetwork::Cleaning];

fn plan(network: BootNetwork) -> BootPlan {
    BootPlan { purpose: BootPurpose::Deploy, network }
}

fn hash(text: &str) -> SecretHash {
    SecretHash::of(text)
}

/// What a ramdisk of a server may show, as the one that gave it away knows it.
#[derive(Clone, Debug)]
struct Token {
    hash: SecretHash,
    server: ServerId,
    network: BootNetwork,
    /// Issued, and not followed by another one, a revocation or a use.
    is_out: bool,
    /// The session that it opened, until that ends or is spoken in.
    opened: Option<RamdiskSessionId>,
}

#[derive(Default)]
struct World {
    register: Register,
    tokens: Vec<Token>,
    /// Sessions that go on, with the secret that their ramdisk was told last, and whether it is connected.
    sessions: Vec<(RamdiskSessionId, ServerId, SecretHash, bool)>,
    numbers: u32,
}

impl World {
    fn secret(&mut self) -> SecretHash {
        self.numbers += 1;
        hash(&self.numbers.to_string())
    }

    fn withdraw(&mut self, server: ServerId) {
        self.tokens.iter_mut().filter(|token| token.server == server).for_each(|token| token.is_out = false);
    }

    fn end(&mut self, ended: &[RamdiskSessionId]) {
        self.sessions.retain(|(session, ..)| !ended.contains(session));
        let of_ended = |token: &&mut Token| token.opened.is_some_and(|session| ended.contains(&session));
        self.tokens.iter_mut().filter(of_ended).for_each(|token| token.opened = None);
    }

    fn issue(&mut self, server: ServerId, network: BootNetwork) {
        let hash = self.secret();
        self.register.issue(hash, server, plan(network));
        self.withdraw(server);
        self.tokens.push(Token { hash, server, network, is_out: true, opened: None });
    }

    fn hello(&mut self, which: usize, network: BootNetwork) {
        let Some(at) = which.checked_rem(self.tokens.len()) else { return };
        let token = self.tokens[at].clone();
        let fresh = Fresh { session: RamdiskSessionId::random(), secret: self.secret() };
        let is_connected =
            |id| self.sessions.iter().any(|(session, _, _, connected)| *session == id && *connected);
        let comes_back = token.opened.filter(|session| !is_connected(*session));
        let fits = token.network == network;
        match self.register.let_in(token.hash, network, fresh) {
            Ok(LetIn { running, opened: Some(ended) }) => {
                assert!(token.is_out && fits, "{token:?}");
                assert_eq!((running.session, running.server), (fresh.session, token.server));
                self.end(&ended);
                self.withdraw(token.server);
                self.tokens[at].opened = Some(fresh.session);
                self.sessions.push((fresh.session, token.server, fresh.secret, true));
            }
            Ok(LetIn { running, opened: None }) => {
                assert_eq!((Some(running.session), fits), (comes_back, true), "{token:?}");
                let session =
                    self.sessions.iter_mut().find(|(session, ..)| *session == running.session).unwrap();
                (session.2, session.3) = (fresh.secret, true);
            }
            Err(_) => assert!(!fits || !(token.is_out || comes_back.is_some()), "{token:?} was refused"),
        }
    }

    fn resume(&mut self, which: usize, network: BootNetwork, is_right: bool) {
        let Some(at) = which.checked_rem(self.sessions.len()) else { return };
        let (session, server, secret, _) = self.sessions[at];
        let shown = if is_right { secret } else { hash("another one") };
        let fits = self.register.sessions[&session].plan.network == network;
        let let_in = self.register.let_in_again(session, shown, network).map(|it| it.server);
        assert_eq!(let_in, if is_right && fits { Ok(server) } else { Err(NotTakenUp) });
        if let_in.is_ok() {
            self.sessions[at].3 = true;
            self.spoken(session);
        }
    }

    fn spoken(&mut self, session: RamdiskSessionId) {
        let of = |token: &&mut Token| token.opened == Some(session);
        self.tokens.iter_mut().filter(of).for_each(|token| token.opened = None);
    }

    fn lose(&mut self, which: usize) {
        let Some(at) = which.checked_rem(self.sessions.len()) else { return };
        self.sessions[at].3 = false;
        self.register.handle_linked(self.sessions[at].0, false);
    }

    fn speak(&mut self, which: usize) {
        let Some(at) = which.checked_rem(self.sessions.len()) else { return };
        let session = self.sessions[at].0;
        self.register.handle_spoken(session);
        self.spoken(session);
    }

    fn revoke(&mut self, server: ServerId) {
        let ended = self.register.revoke(server).unwrap_or_default();
        self.end(&ended);
        self.withdraw(server);
        assert_eq!(self.register.session_of(server), None);
    }

    /// The agent is killed and started again; the boots of these servers only are still under way.
    fn restart(&mut self, servers: &[ServerId]) {
        let kept = serde_json::to_vec(&self.register.kept()).unwrap();
        let on_both = |server: &ServerId| NETWORKS.map(|network| (*server, plan(network)));
        let boots: Vec<_> = servers.iter().flat_map(on_both).collect();
        self.register = Register::default();
        let taken = self.register.take_up(serde_json::from_slice(&kept).unwrap(), &boots);
        let called_off: Vec<_> = taken.called_off.iter().map(|running| running.session).collect();
        self.end(&called_off);
        let (goes_on, is_out) = (|server: &ServerId| servers.contains(server), |token: &Token| token.is_out);
        for token in &mut self.tokens {
            token.is_out = is_out(token) && goes_on(&token.server);
        }
        self.sessions.iter_mut().for_each(|(.., connected)| *connected = false);
        assert_eq!(taken.go_on.len(), self.sessions.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn nobody_is_let_in_twice_or_for_another(ops in prop::collection::vec((0u8..16, 0usize..40), 1..100)) {
        let mut world = World::default();
        let servers = [ServerId::random(), ServerId::random()];
        for (op, which) in ops {
            let (server, network) = (servers[which % 2], NETWORKS[which / 2 % 2]);
            match op {
                0..=3 => world.issue(server, network),
                4..=7 => world.hello(which, NETWORKS[usize::from(which % 5 == 0)]),
                8 | 9 => world.resume(which, network, true),
                10 => world.resume(which, network, false),
                11 | 12 => world.lose(which),
                13 => world.speak(which),
                14 => world.revoke(server),
                _ => world.restart(&servers[which % 3 % 2..]),
            }
            for server in servers {
                let running: Vec<_> = world.sessions.iter().filter(|(_, of, ..)| *of == server).collect();
                prop_assert!(running.len() <= 1, "two sessions of one server");
                prop_assert_eq!(world.register.session_of(server), running.first().map(|(session, ..)| *session));
            }
        }
    }
}

#[test]
fn a_second_token_for_a_boot_under_way_is_good_only_beside_one_that_was_not_used() {
    let (server, network) = (ServerId::random(), NETWORKS[0]);
    let fresh = || Fresh { session: RamdiskSessionId::random(), secret: hash("s") };
    let mut register = Register::default();
    register.issue(hash("first"), server, plan(network));
    assert!(register.issue_again(hash("second"), server, plan(network)));
    assert!(register.let_in(hash("second"), network, fresh()).is_ok());
    assert!(register.let_in(hash("first"), network, fresh()).is_err(), "two tokens, one session");
    assert!(!register.issue_again(hash("third"), server, plan(network)));
    assert!(register.let_in(hash("third"), network, fresh()).is_err());
}
